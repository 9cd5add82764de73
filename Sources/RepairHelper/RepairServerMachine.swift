// The server's side of the conversation as a machine: no descriptor, no clock. It cuts a request into
// batches, waits for the helper, counts what is acknowledged, and takes back what was switched when
// the request cannot be finished.
//
//      idle ── request ──> waiting for a helper ──> switching batch by batch ──> finish(.done)
//                              │ deadline               │ end of file, wrong byte, deadline
//                              v                        v
//                          finish(.failed)     audit ──> rolling back (through the next helper) ──> finish(.failed)

import Bytes

/// Switches sockets, numbered 0 ..< count by the shell, through a helper.
public struct RepairServerMachine: Sendable {
    /// Why a request could not be finished.
    public enum Reason: Equatable, Sendable {
        /// None connected in time.
        case noHelper
        /// It left before it had answered.
        case helperClosed
        /// It answered with another byte than the command's.
        case wrongAnswer(UInt8)
        /// It did not answer in time.
        case helperStalled
    }

    /// How a request ended.
    public enum Outcome: Equatable, Sendable {
        /// All sockets are switched.
        case done
        /// `stillSwitched` sockets could not be taken back: there was no helper for it either.
        case failed(Reason, stillSwitched: Int)
    }

    /// What the shell is to do.
    public enum Action: Equatable, Sendable {
        /// These sockets of the request, as one batch.
        case send(RepairCommand, Range<Int>)
        /// Its connection is of no use any more.
        case closeHelper
        /// Find out which sockets of the request the command has reached (reading TCP_REPAIR takes no privilege),
        /// number these anew from 0, and call `audited`.
        case audit(RepairCommand)
        /// The request is over.
        case finish(Outcome)
    }

    private struct Job {
        var command: RepairCommand
        var total: Int
        var acknowledged = 0
        /// Set while the job takes back what another one switched.
        var failure: Reason?

        var remaining: Int { total - acknowledged }
        var batch: Range<Int> { acknowledged..<min(total, acknowledged &+ repairBatchLimit) }
    }

    private var job: Job?
    private var hasHelper = false
    private var isSending = false
    /// How long a helper may take to come, and to answer.
    private let patience: Interval
    /// When `advance` wants to be called; nil when nothing is waited for.
    public private(set) var deadline: Instant?

    /// A request is under way.
    public var isBusy: Bool { job != nil }

    /// - Parameter patience: how long a helper may take to come, and to answer a batch.
    public init(patience: Interval) { self.patience = patience }

    /// Starts to switch `count` sockets; nothing happens while a request is under way.
    public mutating func request(_ command: RepairCommand, count: Int, now: Instant) -> [Action] {
        guard job == nil else { return [] }
        guard count > 0 else { return [.finish(.done)] }
        job = Job(command: command, total: count)
        return proceed(now)
    }

    /// A helper is there: a waiting request begins.
    public mutating func helperConnected(now: Instant) -> [Action] {
        hasHelper = true
        return job == nil ? [] : proceed(now)
    }

    /// The helper's byte.
    public mutating func answered(_ byte: UInt8, now: Instant) -> [Action] {
        guard isSending, var job, byte == job.command.byte else {
            hasHelper = false
            return [.closeHelper] + interrupted(.wrongAnswer(byte), now)
        }
        isSending = false
        job.acknowledged = job.batch.upperBound
        self.job = job
        return proceed(now)
    }

    /// The helper's connection ended.
    public mutating func helperClosed(now: Instant) -> [Action] {
        hasHelper = false
        return interrupted(.helperClosed, now)
    }

    /// Time passed: what was waited for is late.
    public mutating func advance(to now: Instant) -> [Action] {
        guard let deadline, now >= deadline, let job else { return [] }
        guard hasHelper else {
            if job.failure != nil || job.acknowledged == 0 {
                return finish(.failed(job.failure ?? .noHelper, stillSwitched: job.failure == nil ? 0 : job.remaining))
            }
            return fail(.noHelper)
        }
        hasHelper = false
        return [.closeHelper] + interrupted(.helperStalled, now)
    }

    private mutating func proceed(_ now: Instant) -> [Action] {
        guard let job else { return [] }
        if job.acknowledged == job.total {
            return finish(job.failure.map { .failed($0, stillSwitched: 0) } ?? .done)
        }
        deadline = now + patience
        guard hasHelper else { return [] }
        isSending = true
        return [.send(job.command, job.batch)]
    }

    /// The audit's answer: `count` sockets are to be taken back, numbered from 0.
    public mutating func audited(_ command: RepairCommand, count: Int, now: Instant) -> [Action] {
        guard let failure = job?.failure else { return [] }
        guard count > 0 else { return finish(.failed(failure, stillSwitched: 0)) }
        job = Job(command: command == .on ? .off : .on, total: count, failure: failure)
        return proceed(now)
    }

    /// The helper is gone. Between two batches the next one may go on; in the middle of one the request has failed.
    private mutating func interrupted(_ reason: Reason, _ now: Instant) -> [Action] {
        guard let job, isSending else { return [] }
        isSending = false
        if job.failure != nil { return finish(.failed(reason, stillSwitched: job.remaining)) }
        return fail(reason)
    }

    private mutating func fail(_ reason: Reason) -> [Action] {
        guard let command = job?.command else { return [] }
        job?.failure = reason
        deadline = nil
        return [.audit(command)]
    }

    private mutating func finish(_ outcome: Outcome) -> [Action] {
        job = nil
        deadline = nil
        isSending = false
        return [.finish(outcome)]
    }
}
