// A node on its way to another process. Version 1, each part a section of its own:
//
//      node        the node's clock 64; whether it is leaving; the script that waits; the hold of a pipe
//      host        as NetStack's Host writes it
//      nic         32-bit count of them: driver with its rings, when it tries again
//      console, script
//
// The memory with rings and socket buffers moves by itself: whatever lies there goes by its address. The cards' sections
// (Card+State) are read first, on the same memory. The node's clock goes on where it stood, whatever the clock of the
// other side shows: nothing in a node notices the time in between.

import Bytes
import NetStack
import Virtio

extension Node: Movable {
    /// What the section is called.
    public static var kind: String { "node" }
    /// The version above.
    public static var version: UInt16 { 1 }

    /// Writes everything down; nothing changes. The cards stand still. A NIC that is leaving is gone.
    public func encode(into out: inout StateEncoder, now: Instant) {
        var coder = StateCoder()
        // Only reading can fail.
        try? code(&coder, now)
        out.append(coder.encoder)
    }

    /// The node has as many NICs as the other one, attached in the same order with the same names, and no turn was made.
    /// Afterwards it wants one.
    public func decode(from input: inout StateDecoder, version: UInt16, now: Instant) throws(StateError) {
        guard lastTurn == Instant(nanoseconds: 0), script == nil else { throw .impossible("a node that is in use") }
        var coder = StateCoder(reading: input)
        try code(&coder, now)
        input = coder.decoder
        lastTurn = own(now)
        wantTurn()
    }

    private func code(_ coder: inout StateCoder, _ now: Instant) throws(StateError) {
        let files = FileMover(configuration.files)
        do throws(StateError) {
            try coder.section("node", version: 1) { (coder) throws(StateError) in try codeSelf(&coder, now) }
            coder.now = own(now)
            try coder.part(host)
            try codeInterfaces(&coder)
            try coder.section("console", version: 1) { (coder) throws(StateError) in
                try console.code(&coder, files)
            }
            try codeScript(&coder, files)
        } catch {
            files.closeAll()
            throw error
        }
    }

    private func codeSelf(_ coder: inout StateCoder, _ now: Instant) throws(StateError) {
        var clock = own(now).nanoseconds
        try coder.integer(&clock)
        try coder.require(clock < 1 << 62, "clock of a node")
        if coder.isReading { setClock(clock, at: now) }
        coder.now = own(now)
        try coder.flag(&isLeaving)
        try coder.optional(&pendingScript)
        try consoleHold.code(&coder)
    }

    private func codeInterfaces(_ coder: inout StateCoder) throws(StateError) {
        var count = interfaces.count
        try coder.count(&count, atMost: 1 << 16, "number of NICs")
        guard count == interfaces.count else {
            throw .impossible("number of NICs: \(count) there, \(interfaces.count) here")
        }
        for interface in interfaces {
            try coder.section("nic", version: 1) { (coder) throws(StateError) in try interface.code(&coder) }
        }
    }

    private func codeScript(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        var isThere = script != nil
        try coder.flag(&isThere)
        guard isThere else { return }
        if coder.isReading { script = newScript() }
        try coder.section("script", version: 1) { (coder) throws(StateError) in try script?.code(&coder, files) }
    }
}

extension NodeInterface {
    /// Its number, the driver with its rings, when it is tried again.
    fileprivate func code(_ coder: inout StateCoder) throws(StateError) {
        try id.code(&coder)
        try coder.require(host.interfaces().contains { $0.id == id && $0.name == name }, "number of a NIC")
        try driver.code(&coder)
        try coder.instant(&retry)
        try coder.instant(&lastTurn)
        try coder.instant(&lastReset)
    }
}

extension PendingScript: StateCoded {
    static var blank: PendingScript { PendingScript(text: "", limits: ScriptLimits()) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&text, limit: 1 << 20, "text of a script")
        try coder.interval(&limits.wait)
        try coder.flag(&limits.needsAddress)
        try coder.instant(&deadline)
    }
}

extension ConsoleHold {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, until): (UInt8, Instant?) = (0, deadline)
        if case .over = self { kind = 2 } else if until != nil { kind = 1 }
        try coder.integer(&kind)
        try coder.instant(&until)
        switch (kind, until) {
        case (0, nil): self = .none
        case (1, let until?): self = .until(until)
        case (2, nil): self = .over
        default: throw .impossible("hold of a console")
        }
    }
}
