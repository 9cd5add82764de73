// What the source sends: pages round after round, then sections, what arrived, PREPARE and COMMIT.

import Bytes

extension MigrationSource {
    /// Bytes for the descriptor, filled up before; valid until the next call. Empty: nothing can go now.
    public func output(now: Instant) -> UnsafeRawBufferPointer {
        let isFresh = writer.pending.isEmpty
        if !isOver { fill(now) } else if phase == .completed, !isSnapshot { fillArrived() }
        if isFresh { lastProgress = now }
        return writer.pending
    }

    /// The descriptor took so many bytes of `output`.
    public func wrote(_ count: Int, now: Instant) {
        guard count > 0 else { return }
        writer.wrote(count)
        lastProgress = now
        guard phase == .committing, let commitEnd, writer.written >= commitEnd else { return }
        milestones.committed = now
        if isSnapshot { complete([], now) } else { enter(.committed, now) }
    }

    func beginRounds(_ now: Instant) {
        sender = PageSender(pages)
        milestones.rounds = now
        (roundBegan, lastProgress) = (now, now)
        lastDirty = sender?.remaining ?? 0
        setPace(now)
        enter(.rounds, now)
    }

    /// What went before at another pace says nothing of what the connection takes.
    func setPace(_ now: Instant) {
        pace = Pace(rate: parameters.maxBandwidth, now: now)
        pacedUntil = nil
        measuredFrom = (writer.appended, now)
    }

    private func fill(_ now: Instant) {
        switch phase {
        case .rounds: fillRounds(now)
        case .saving: sender?.fill(writer, limit: .max)
        case .sections:
            sender?.fill(writer, limit: .max)
            if sender?.isRoundOver ?? true { fillSections(now) }
        case .preparing, .committed: fillArrived()
        case .committing:
            fillCommit()
            if !isSnapshot { fillArrived() }
        case .idle, .greeting, .stopping, .completed, .failed, .uncertain: break
        }
    }

    // MARK: while the guest runs

    private func fillRounds(_ now: Instant) {
        let allowance = pace.allowance(now)
        if allowance > 0 {
            let before = writer.appended
            sender?.fill(writer, limit: allowance)
            pace.spent(writer.appended &- before)
        }
        pacedUntil = pace.next(now)
        if sender?.isRoundOver ?? true, writer.hasRoom { endRound(now) }
    }

    private func endRound(_ now: Instant) {
        sender?.takeDirty()
        iterations += 1
        let dirty = sender?.remaining ?? 0
        let time = now.since(roundBegan).nanoseconds
        dirtyRate = time > 0 ? UInt64(Double(dirty) * 1e9 / Double(time)) : 0
        roundBegan = now
        appendRoundEnd(dirty)
        if isGoodEnough(dirty, now) {
            milestones.stopAsked = now
            bytesAtStop = writer.appended
            enter(.stopping, now)
            actions.append(.stopGuest)
        }
        lastDirty = dirty
    }

    private func appendRoundEnd(_ dirty: Int) {
        var body = StateEncoder()
        body.integer(UInt32(clamping: iterations))
        body.integer(UInt64(dirty))
        writer.append(.roundEnd, body.bytes)
    }

    /// Where all that holds data is looked at in each round, more of them are no use.
    private static let roundsOfComparing = 3

    /// The rest fits the downtime, and another round would not make it much smaller; or there were rounds enough.
    private func isGoodEnough(_ dirty: Int, _ now: Instant) -> Bool {
        let smallRest = 1 << 20
        if iterations >= (pages.isExact ? parameters.mostRounds : Self.roundsOfComparing) { return true }
        let bytes = dirty * MigrationLimits.pageSize
        let time = Double(bytes + writer.pending.count) / rate(now)
        guard time * 1e9 <= Double(parameters.downtimeLimit.nanoseconds) else { return false }
        return bytes <= smallRest || dirty > lastDirty / 2
    }

    /// Bytes per second that the connection took so far; a guess while there were too few.
    private func rate(_ now: Instant) -> Double {
        let (few, guess) = (UInt64(1 << 18), 100e6)
        guard let measuredFrom else { return guess }
        let bytes = writer.written &- min(measuredFrom.bytes, writer.written)
        let time = now.since(measuredFrom.time).nanoseconds
        return bytes >= few && time > 0 ? Double(bytes) * 1e9 / Double(time) : guess
    }

    // MARK: while it stands still

    private func fillSections(_ now: Instant) {
        while sectionIndex < sections.count {
            guard writer.hasRoom else { return }
            appendSectionPiece()
        }
        guard fillArrived(), writer.hasRoom else { return }
        guard !isSnapshot else {
            enter(.committing, now)
            return fillCommit()
        }
        var body = StateEncoder()
        body.integer(UInt32(clamping: sections.count))
        writer.append(.prepare, body.bytes)
        enter(.preparing, now)
    }

    private func appendSectionPiece() {
        let section = sections[sectionIndex]
        if let start = sectionOffset {
            let end = min(start + FrameKind.sectionPartLimit, section.bytes.count)
            section.bytes.withUnsafeBytes { bytes in
                _ = writer.append(.sectionPart, UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            sectionOffset = end
        } else {
            writer.append(.section, SectionHead(section).encoded)
            sectionOffset = 0
        }
        if sectionOffset == section.bytes.count { (sectionIndex, sectionOffset) = (sectionIndex + 1, nil) }
    }

    private func fillCommit() {
        guard commitEnd == nil, writer.hasRoom else { return }
        let body = CommitBody(sections: sections.count, isSnapshot: isSnapshot)
        if writer.append(.commit, body.encoded) { commitEnd = writer.appended }
    }

    /// Sends what arrived; false while there is more than has room.
    @discardableResult
    func fillArrived() -> Bool {
        while arrivedSent < arrived.count {
            guard writer.hasRoom, writer.append(.arrived, arrived[arrivedSent].encoded) else { return false }
            arrivedSent += 1
        }
        return true
    }
}
