// The device's half of a network card in this process (VIRTIO 1.3, 5.1.6): between the driver's rings and
// one end of a link. It is kicked by a plain call and interrupts by one; the rings are worked on at the end
// of a turn, never within a call of the driver. Frames are lent where they lie in guest memory; the only copy
// is the one into the driver's receive buffers. What is at the link's other end, it does not know.
//
//   driver ── kicks ──▶ transmit queue ── lent frames ──▶ link
//   driver ◀─ calls ─── receive queue ◀─── copies ─────── link

import Glibc
import Link

/// What one queue of a frame back-end did.
public struct QueueCounters: Hashable, Sendable {
    /// Frames that passed.
    public var frames: UInt64 = 0
    /// Bytes of frames, headers of virtio not counted.
    public var bytes: UInt64 = 0
    /// Chains that went back because they were no frame, or no buffer: a header that lies, too short, too long, the wrong
    /// direction, outside of memory.
    public var malformed: UInt64 = 0
    /// Frames that no buffer of the driver can hold.
    public var tooLong: UInt64 = 0

    /// Nothing passed yet.
    public init() {}
}

/// A network device's back-end that moves frames over a link. It sits at the link's `card` end.
public final class FrameBackEnd: RingBackEnd {
    /// What it can do: frames travel whole, with all checksums.
    public static let offered =
        NetFeature.version1 | NetFeature.mergeableBuffers | NetFeature.eventIndex | NetFeature.indirectDescriptors

    /// `offered`, always.
    public let features = FrameBackEnd.offered
    /// It is in this process: always.
    public let isConnected = true
    /// The link whose `card` end it takes.
    public let link: FrameLink
    private let pair = QueuePair.first
    /// Whose rings it works on; set by the device, or by whoever has rings (``RingOwner``).
    public weak var owner: (any RingOwner)?
    private let atEndOfTurn: (@escaping () -> Void) -> Void
    private var isWorkScheduled = false

    var receive: ReceiveSide?
    var transmit: TransmitSide?
    /// The order in which `start` named the queues.
    private var started: [UInt16] = []

    /// What the driver agreed to take.
    public private(set) var capabilities = LinkCapabilities.plain
    /// Frames given to the driver, since the back-end was made.
    public internal(set) var receiveCounters = QueueCounters()
    /// Frames taken from the driver, since the back-end was made.
    public internal(set) var transmitCounters = QueueCounters()

    /// - Parameters:
    ///   - link: the back-end takes its `card` end.
    ///   - atEndOfTurn: runs what it is given when the present turn of the loop is over.
    public init(on link: FrameLink, atEndOfTurn: @escaping (@escaping () -> Void) -> Void) {
        self.link = link
        self.atEndOfTurn = atEndOfTurn
        link.connect(self, at: .card)
    }

    // MARK: the device's door

    /// Goes to work at the end of the turn; `RingOwner.ringBroke` tells of a queue that is none.
    public func start(features: UInt64, queues: [QueueConfiguration]) {
        guard let memory = owner?.memory else { return }
        started = queues.map(\.index)
        capabilities = LinkCapabilities(features: features, .toDriver)
        link.capabilitiesChanged(.card)
        for queue in queues {
            do throws(VirtioError) {
                if queue.index == pair.receive {
                    receive = try ReceiveSide(queue, features: features, memory: memory)
                } else if queue.index == pair.transmit {
                    transmit = try TransmitSide(queue, features: features, memory: memory)
                }
            } catch { owner?.ringBroke() }
        }
        link.hasRoom(.card)
        scheduleWork()
    }

    /// Within the call: what was taken from the rings and not used is put back.
    public func stop(_ done: @escaping ([RingPosition]) -> Void) {
        receive?.giveBack()
        let bases = started.map { index in
            (index == pair.receive ? receive?.base : index == pair.transmit ? transmit?.base : nil) ?? 0
        }
        receive = nil
        transmit = nil
        started = []
        done(bases)
    }

    /// Plans work for the end of the turn.
    public func kicked(queue: UInt16) {
        if queue == pair.receive {
            if receive?.isBlocked == true { link.hasRoom(.card) }
        } else {
            scheduleWork()
        }
    }

    // MARK: work

    func scheduleWork() {
        guard !isWorkScheduled else { return }
        isWorkScheduled = true
        atEndOfTurn { [weak self] in self?.work() }
    }

    private func work() {
        isWorkScheduled = false
        guard transmit != nil else { return }
        let turn = transmit?.run(over: link, &transmitCounters) ?? TransmitSide.Report()
        if turn.needsCall { owner?.interrupt(queue: pair.transmit) }
        if turn.isBroken { owner?.ringBroke() }
        if turn.hasMore { scheduleWork() }
    }
}

extension FrameBackEnd: FramePort {
    /// Copies frames into the driver's buffers; refuses what there are no buffers for.
    public func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        guard receive != nil else { return 0 }
        let turn = receive?.fill(frames, &receiveCounters) ?? ReceiveSide.Report()
        if turn.needsCall { owner?.interrupt(queue: pair.receive) }
        if turn.isBroken { owner?.ringBroke() }
        return turn.taken
    }

    /// Sends again what the link refused.
    public func peerHasRoom() {
        transmit?.isBlocked = false
        scheduleWork()
    }
}
