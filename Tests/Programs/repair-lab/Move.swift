// Moving one connection, whatever state it is in, and checking both streams to the last byte.

import Glibc
import Linux
import RepairHelper

/// What the connection looks like when it is moved.
struct Situation {
    var family = Family.v4
    var state = MovableState.established
    /// Bytes that arrived and were not read.
    var unread = 0
    /// Bytes that were sent and are not acknowledged, because nothing we send arrives.
    var unacknowledged = 0
    /// Write until the peer's window is closed and bytes wait unsent.
    var fillsWindow = false
    /// How often it moves.
    var moves = 1
    /// SO_RCVBUF of both ends, in bytes.
    var receiveBuffer: CInt?
    /// Whether the connection that is moved is the one that was meant.
    var isMeant: (TCPSocketState) -> Bool = { _ in true }
}

/// A connection whose end at the place moves; both streams are patterns that start at 0.
struct Mover {
    let network: Network
    let situation: Situation
    private var near: SharedDescriptor
    private let far: SharedDescriptor
    private var written = 0
    private var farWritten = 0
    private var nearRead = 0
    private var peerFinished = false

    init(_ network: Network, _ situation: Situation, port: UInt16) throws {
        self.network = network
        self.situation = situation
        (near, far) = try connectPair(network, situation.family, port: port, receiveBuffer: situation.receiveBuffer)
    }

    /// Brings the connection into its situation, moves it, and follows both streams to their ends.
    mutating func run() throws {
        try exchange(1000)
        try farWrite(situation.unread)
        try eventually("unread bytes") { try RepairOption(near.raw).queueLengths().unread == situation.unread }
        if situation.fillsWindow { try fillWindow() }
        try enterState()
        for _ in 0..<situation.moves { try move() }
        try finish()
    }

    /// The same number of bytes each way, read at once.
    private mutating func exchange(_ count: Int) throws {
        try writeAll(near.raw, pattern(written..<written + count))
        try require(try readExactly(far.raw, count) == pattern(written..<written + count), "upstream differs")
        written += count
        try farWrite(count)
        try nearReads(count)
        // Everything acknowledged, so that what is counted later is what the situation asks for.
        try eventually("acknowledgement") { try RepairOption(near.raw).queueLengths().unacknowledged == 0 }
    }

    private mutating func farWrite(_ count: Int) throws {
        try writeAll(far.raw, pattern(farWritten..<farWritten + count))
        farWritten += count
    }

    private mutating func nearReads(_ count: Int) throws {
        let got = try readExactly(near.raw, count)
        try require(got == pattern(nearRead..<nearRead + count), "downstream differs after \(nearRead)")
        nearRead += count
    }

    private mutating func fillWindow() throws {
        var quiet = 0
        while quiet < 20 {
            let n = writeSome(near.raw, pattern(written..<written + 65536))
            written += n
            quiet = n == 0 ? quiet + 1 : 0
            if n == 0 { usleep(10_000) }
        }
        try require(try RepairOption(near.raw).queueLengths().unsent > 0, "nothing waits unsent")
    }

    private mutating func enterState() throws {
        let state = situation.state
        if state == .closeWait || state == .lastAck {
            shutdown(far.raw, CInt(SHUT_WR))
            try eventually("CLOSE-WAIT") { try tcpState(near.raw) == MovableState.closeWait.rawValue }
        }
        if state == .finWait2 {
            shutdown(near.raw, CInt(SHUT_WR))
            try eventually("FIN-WAIT-2") { try tcpState(near.raw) == MovableState.finWait2.rawValue }
        }
        if situation.unacknowledged > 0 || [.finWait1, .lastAck, .closing].contains(state) {
            try network.silencePlace()
        }
        let count = situation.unacknowledged
        try writeAll(near.raw, pattern(written..<written + count))
        written += count
        if [.finWait1, .lastAck, .closing].contains(state) { shutdown(near.raw, CInt(SHUT_WR)) }
        if state == .closing { shutdown(far.raw, CInt(SHUT_WR)) }
        try eventually("state \(state)") { try tcpState(near.raw) == state.rawValue }
    }

    private mutating func move() throws {
        let frozen = try FrozenSocket(near.descriptor.duplicate())
        let state = try frozen.dump()
        try require(state.state == situation.state || situation.moves > 1, "dumped as \(state.state)")
        try require(situation.isMeant(state), "another connection was meant than \(state.options)")
        let travelled = try TCPSocketState(decoding: state.encoded)
        try require(travelled == state, "the encoding changes the state")
        let restored = try network.move { try RestoredSocket.restore(travelled) }
        try frozen.letGo()
        let live = try restored.resume()
        peerFinished = peerFinished || live.peerFinished
        if !live.pending.isEmpty { throw LabFailure("\(live.pending.count) bytes did not fit") }
        near = SharedDescriptor(live.take())
    }

    private mutating func finish() throws {
        let state = situation.state
        try nearReads(farWritten - nearRead)
        if !state.hasPeerFIN {
            try farWrite(2000)
            try nearReads(2000)
        }
        let before = 1000 + (written - 1000)
        if !state.hasOurFIN {
            try drainFar(before)
            try writeAll(near.raw, pattern(written..<written + 2000))
            try require(
                try readExactly(far.raw, 2000) == pattern(written..<written + 2000), "upstream differs at the end")
            written += 2000
            shutdown(near.raw, CInt(SHUT_WR))
        } else {
            try drainFar(before)
        }
        try readEnd(far.raw)
        if !state.hasPeerFIN {
            shutdown(far.raw, CInt(SHUT_WR))
            try readEnd(near.raw)
        } else {
            try require(peerFinished, "the end of the peer's stream was forgotten")
        }
    }

    /// The peer reads what was written before the move (its first 1000 bytes were read at once).
    private mutating func drainFar(_ total: Int) throws {
        let got = try readExactly(far.raw, total - 1000)
        try require(got == pattern(1000..<total), "upstream differs")
    }
}

extension TCPSocketState {
    /// What both sides had agreed on, for a failure's text.
    fileprivate var options: String {
        let shifts = windowScale.map { "\($0.send)/\($0.receive)" } ?? "none"
        return "window scale \(shifts), SACK \(isSACKPermitted), timestamps \(timestamp != nil)"
    }
}
