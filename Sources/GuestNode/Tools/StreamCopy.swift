// One TCP connection joined to a tool's standard input and output, both ways. Bytes go straight
// between the socket's buffers in guest RAM and the file; a step moves a bounded amount.

import Bytes
import NetStack

/// What feeds the sending side.
enum StreamSource: Equatable, Sendable {
    case standardInput
    /// So many bytes of `Pattern` are left, from `offset` on.
    case pattern(offset: UInt64, left: UInt64)
}

/// A connection being copied.
struct StreamCopy: Sendable {
    /// What a step came to.
    enum Progress: Equatable {
        /// Bytes moved.
        case moved
        /// Nothing to do before the network or the console moves.
        case waiting
        /// The peer has closed, and has acknowledged everything that our side had to say, its FIN included.
        case complete
        case failed(TCPError)
        /// A file could not be read or written.
        case broken(FileError)
    }

    var socket: TCPSocketID
    var source: StreamSource
    var closesWithoutInput: Bool
    var sent: ByteTally
    var received: ByteTally
    var isInputOver = false
    var isOutputOver = false

    /// Bytes a step moves each way at most.
    static let bytesPerStep = 1 << 20

    init(_ socket: TCPSocketID, from source: StreamSource, closesWithoutInput: Bool, isHashed: Bool) {
        self.socket = socket
        self.source = source
        self.closesWithoutInput = closesWithoutInput
        sent = ByteTally(isHashed: isHashed)
        received = ByteTally(isHashed: isHashed)
    }

    mutating func step(_ context: inout ToolContext, now: Instant) -> Progress {
        do throws(FileError) {
            let hasReceived = try receive(&context, now)
            let hasSent = try send(&context, now)
            guard let status = context.host.tcp.status(socket) else { return .failed(.connectionAborted) }
            if status.readableBytes == 0, let error = status.error { return .failed(error) }
            if status.isEOF { isOutputOver = true }
            if isOutputOver, isInputOver ? status.isDelivered : !isInputAwaited(context) { return .complete }
            return hasReceived || hasSent ? .moved : .waiting
        } catch {
            return .broken(error)
        }
    }

    /// A file or pattern is sent to its end although the peer has closed; nobody waits for typing.
    private func isInputAwaited(_ context: ToolContext) -> Bool {
        if case .pattern = source { return true }
        if case .file = context.input { return true }
        return false
    }

    private mutating func receive(_ context: inout ToolContext, _ now: Instant) throws(FileError) -> Bool {
        var left = min(Self.bytesPerStep, context.outputRoom)
        var failure: FileError?
        var hasMoved = false
        while left > 0, failure == nil {
            let taken = context.host.tcp.withReceiveSpan(socket, now: now) { span in
                let piece = UnsafeRawBufferPointer(rebasing: span.prefix(left))
                do throws(FileError) {
                    try context.write(piece)
                } catch {
                    failure = error
                    return 0
                }
                received.add(piece)
                return piece.count
            }.count
            guard taken > 0 else { break }
            hasMoved = true
            left -= taken
        }
        if let failure { throw failure }
        return hasMoved
    }

    private mutating func send(_ context: inout ToolContext, _ now: Instant) throws(FileError) -> Bool {
        guard !isInputOver, let status = context.host.tcp.status(socket), status.isConnected else { return false }
        if case .standardInput = source, case .none = context.input {
            if closesWithoutInput { endInput(context, now) }
            return false
        }
        var left = Self.bytesPerStep
        var failure: FileError?
        var hasMoved = false
        while left > 0, !isInputOver, failure == nil {
            var isAtEnd = false
            let filled = context.host.tcp.withSendSpan(socket, now: now) { room in
                let piece = UnsafeMutableRawBufferPointer(rebasing: room.prefix(left))
                do throws(FileError) {
                    let count = try fill(piece, context, &isAtEnd)
                    sent.add(UnsafeRawBufferPointer(rebasing: piece.prefix(count)))
                    return count
                } catch {
                    failure = error
                    return 0
                }
            }.count
            hasMoved = hasMoved || filled > 0
            if isAtEnd { endInput(context, now) }
            guard filled > 0 else { break }
            left -= filled
        }
        if let failure { throw failure }
        return hasMoved
    }

    /// Fills `piece` from the source; returns the bytes put there.
    private mutating func fill(
        _ piece: UnsafeMutableRawBufferPointer, _ context: ToolContext, _ isAtEnd: inout Bool
    ) throws(FileError) -> Int {
        guard case .pattern(let offset, let left) = source else {
            switch try context.read(into: piece) {
            case .bytes(let count): return count
            case .nothing: return 0
            case .endOfFile:
                isAtEnd = true
                return 0
            }
        }
        let count = Int(min(UInt64(piece.count), left))
        Pattern.fill(UnsafeMutableRawBufferPointer(rebasing: piece.prefix(count)), from: offset)
        source = .pattern(offset: offset &+ UInt64(count), left: left &- UInt64(count))
        isAtEnd = left == UInt64(count)
        return count
    }

    private mutating func endInput(_ context: ToolContext, _ now: Instant) {
        isInputOver = true
        context.host.tcp.shutdownSend(socket, now: now)
    }
}

/// Bytes that are different everywhere and the same every time: little-endian words, each its
/// index times an odd constant.
enum Pattern {
    static func word(_ index: UInt64) -> UInt64 { index &* 0x9e37_79b9_7f4a_7c15 }

    static func byte(at offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: word(offset / 8) >> (offset % 8 * 8))
    }

    /// The bytes from `offset` of the endless pattern on.
    static func fill(_ room: UnsafeMutableRawBufferPointer, from offset: UInt64) {
        let lead = min(room.count, Int((8 &- offset % 8) % 8))
        for at in 0..<lead { room[at] = byte(at: offset &+ UInt64(at)) }
        let words = (room.count - lead) / 8
        if words > 0, let base = room.baseAddress { fill(base + lead, words: words, from: (offset &+ 7) / 8) }
        for at in lead + 8 * words..<room.count { room[at] = byte(at: offset &+ UInt64(at)) }
    }

    /// Whole words: the next one is the last plus the factor, so nothing is multiplied, and four make a step.
    private static func fill(_ start: UnsafeMutableRawPointer, words: Int, from index: UInt64) {
        let step = word(1)
        var next = word(index)
        var at = start
        for _ in 0..<words / 4 {
            at.storeBytes(of: next.littleEndian, as: UInt64.self)
            at.storeBytes(of: (next &+ step).littleEndian, toByteOffset: 8, as: UInt64.self)
            at.storeBytes(of: (next &+ step &* 2).littleEndian, toByteOffset: 16, as: UInt64.self)
            at.storeBytes(of: (next &+ step &* 3).littleEndian, toByteOffset: 24, as: UInt64.self)
            next &+= step &* 4
            at += 32
        }
        for _ in 0..<words % 4 {
            at.storeBytes(of: next.littleEndian, as: UInt64.self)
            next &+= step
            at += 8
        }
    }
}
