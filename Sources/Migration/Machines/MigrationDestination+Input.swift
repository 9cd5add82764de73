// What the destination hears, and what it does not hear in time.

import Bytes

extension MigrationDestination {
    /// Where the descriptor puts the next bytes; empty while the owner has to decide first.
    public var inputRoom: UnsafeMutableRawBufferPointer { reader.room }

    /// So many bytes were put into `inputRoom`.
    public func received(_ count: Int, now: Instant) {
        reader.filled(count)
        if count > 0 { lastInput = now }
        process(now)
    }

    /// The other end says no more. What it said before still counts.
    public func inputEnded(now: Instant) {
        isInputOver = true
        process(now)
        finishIfDone(now)
    }

    /// Takes the frames that are there, as far as the owner's decisions go.
    func process(_ now: Instant) {
        do throws(StreamFault) {
            while reads, let frame = try reader.next() { try handle(frame, now) }
        } catch { failedReading(error, now) }
        if isInputOver, reads, !ownsGuest { fail(.closed, now) }
    }

    /// A stream that goes bad behind COMMIT has nothing more to say; the guest is ours by then.
    private func failedReading(_ fault: StreamFault, _ now: Instant) {
        guard ownsGuest else { return fail(.stream(fault), now) }
        isInputOver = true
        finishIfDone(now)
    }

    /// Frames mean something now. Behind a snapshot's COMMIT nothing does.
    private var reads: Bool {
        switch phase {
        case .greeting, .receiving, .prepared: true
        case .preparing, .loading, .started: !isSnapshot
        case .comparing, .completed, .failed: false
        }
    }

    private func handle(_ frame: LentFrame, _ now: Instant) throws(StreamFault) {
        switch (frame.kind, phase) {
        case (.greeting, .greeting): try greeted(frame.body, now)
        case (.pages, .receiving), (.zeroPages, .receiving): try take(pages: frame)
        case (.roundEnd, .receiving) where sections.isEmpty: endRound(frame.body)
        case (.section, .receiving): try beginSection(frame.body)
        case (.sectionPart, .receiving): try continueSection(frame.body)
        case (.arrived, _) where phase != .greeting: try arrived(frame.body)
        case (.prepare, .receiving): try prepare(frame.body, now)
        case (.commit, .receiving), (.commit, .prepared): try commit(frame.body, now)
        case (.sourceFailure, _) where !ownsGuest: fail(.said(frame.body), now)
        default: throw .unexpected(kind: frame.kind.rawValue)
        }
    }

    private func greeted(_ body: UnsafeRawBufferPointer, _ now: Instant) throws(StreamFault) {
        let said = try StreamFault.reading("a greeting") { () throws(StateError) in try MigrationGreeting(from: body) }
        guard said.program == greeting.program else {
            return fail(.program(said.program, here: greeting.program), now)
        }
        enter(.comparing, now)
        actions.append(.compare(said))
    }

    // MARK: memory

    private func take(pages frame: LentFrame) throws(StreamFault) {
        guard sections.isEmpty else { throw .unexpected(kind: frame.kind.rawValue) }
        let run = try PageRun(frame, of: pages.pageCount)
        if frame.kind == .pages {
            pages.write(UnsafeRawBufferPointer(rebasing: frame.body[8...]), at: run.pages.lowerBound)
            counters.normal &+= UInt64(run.pages.count)
        } else {
            pages.zero(run.pages)
            counters.zero &+= UInt64(run.pages.count)
        }
    }

    private func endRound(_ body: UnsafeRawBufferPointer) {
        rounds += 1
        dirty = body.loadUnaligned(fromByteOffset: 4, as: UInt64.self).bigEndian
    }

    // MARK: state

    private func beginSection(_ body: UnsafeRawBufferPointer) throws(StreamFault) {
        let head = try StreamFault.reading("a section") { () throws(StateError) in try SectionHead(from: body) }
        guard missing == 0 else { throw .content("a section begins inside of another") }
        let left = MigrationLimits.allSections - sectionBytes
        let hasRoom = sections.count < MigrationLimits.sections && head.length <= left
        guard hasRoom else { throw .content("too many sections") }
        guard !sections.contains(where: { $0.name == head.name }) else {
            throw .content("section '\(head.name)' comes twice")
        }
        sections.append(MigrationSection(name: head.name, bytes: []))
        missing = head.length
        sectionBytes += head.length
    }

    private func continueSection(_ part: UnsafeRawBufferPointer) throws(StreamFault) {
        guard !sections.isEmpty, part.count <= missing else { throw .content("more of a section than there is") }
        sections[sections.count - 1].bytes.append(contentsOf: part)
        missing -= part.count
        guard missing == 0 || part.count == FrameKind.sectionPartLimit else {
            throw .content("a part of a section is short, and not the last")
        }
    }

    private func arrived(_ body: UnsafeRawBufferPointer) throws(StreamFault) {
        let frame = try StreamFault.reading("an arrived frame") { () throws(StateError) in
            try ArrivedFrame(from: body)
        }
        arrivedCount += 1
        if phase == .started { return actions.append(.deliver(frame)) }
        let size = frame.bytes.count + MigrationLimits.arrivedOverhead
        guard heldBytes + size <= MigrationLimits.arrivedFrames else {
            arrivedDropped += 1
            return
        }
        heldBytes += size
        held.append(frame)
    }

    private func prepare(_ body: UnsafeRawBufferPointer, _ now: Instant) throws(StreamFault) {
        try checkSections(body.loadUnaligned(as: UInt32.self).bigEndian)
        beginPreparing(now)
    }

    private func beginPreparing(_ now: Instant) {
        enter(.preparing, now)
        actions.append(.prepare(sections))
        sections = []
    }

    private func checkSections(_ count: UInt32) throws(StreamFault) {
        guard missing == 0, Int(count) == sections.count else {
            throw .content("\(sections.count) sections of \(count)")
        }
    }

    private func commit(_ body: UnsafeRawBufferPointer, _ now: Instant) throws(StreamFault) {
        let commit = try StreamFault.reading("COMMIT") { () throws(StateError) in try CommitBody(from: body) }
        guard commit.isSnapshot == (phase == .receiving) else { throw .unexpected(kind: FrameKind.commit.rawValue) }
        guard commit.isSnapshot else { return beginLoading(now) }
        try checkSections(commit.sections)
        isSnapshot = true
        beginPreparing(now)
    }

    // MARK: time

    /// When `advance` wants to be called; nil when nothing is waited for.
    public var nextDeadline: Instant? { wait.map { $0.since + $0.time } }

    /// Time passed: what was waited for may be late.
    public func advance(to now: Instant) {
        guard let wait, now >= wait.since + wait.time else { return }
        switch phase {
        case .loading: loaded(report: Array("the state was not loaded in time".utf8), now: now)
        case .started:
            outputFailed(now: now)
            inputEnded(now: now)
        default: fail(.late(wait.what, wait.time), now)
        }
    }

    private var wait: (what: MigrationFailure.Wait, since: Instant, time: Interval)? {
        switch phase {
        case .greeting: (.greeting, phaseBegan, patience.greeting)
        case .comparing: (.compare, phaseBegan, patience.compare)
        case .receiving: (.reading, lastInput, patience.quiet)
        case .preparing: (.prepare, phaseBegan, patience.prepare)
        case .prepared: (.commit, max(phaseBegan, lastInput), patience.commit)
        case .loading: (.prepare, phaseBegan, patience.start)
        case .started: (.writing, phaseBegan, patience.end)
        case .completed, .failed: nil
        }
    }
}
