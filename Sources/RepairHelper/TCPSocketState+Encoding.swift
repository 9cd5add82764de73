// The bytes of a socket that travels: both directions. Version 1:
//
//      version 16 | state 8 | local: address (length, bytes), port 16, scope 32 | remote: the same
//      send sequence 32 | receive sequence 32 | segment size 16
//      window scale: flag [send 8, receive 8] | SACK flag | timestamp: flag [32] | window 5 × 32
//      send queue (length, bytes) | unsent 32 | receive queue (length, bytes)

import Bytes
import Linux

extension TCPSocketState {
    static let version: UInt16 = 1

    /// The state as bytes for another process; `init(decoding:)` reads them.
    public var encoded: [UInt8] {
        var out = StateEncoder()
        out.integer(Self.version)
        out.integer(state.rawValue)
        for end in [local, remote] {
            out.data(end.address)
            out.integer(end.port)
            out.integer(end.scope)
        }
        out.integer(sendSequence)
        out.integer(receiveSequence)
        out.integer(maximumSegmentSize)
        out.flag(windowScale != nil)
        if let windowScale {
            out.integer(windowScale.send)
            out.integer(windowScale.receive)
        }
        out.flag(isSACKPermitted)
        out.flag(timestamp != nil)
        if let timestamp { out.integer(timestamp) }
        for value in [
            window.lastUpdateSequence, window.send, window.sendMaximum, window.receive, window.receiveLastUpdate,
        ] { out.integer(value) }
        out.data(sendQueue)
        out.integer(UInt32(clamping: unsentCount))
        out.data(receiveQueue)
        return out.bytes
    }

    /// - Parameters:
    ///   - bytes: what `encoded` made, or anything else.
    ///   - queueLimit: bytes that each queue may hold.
    public init(decoding bytes: some Collection<UInt8>, queueLimit: Int = 64 << 20) throws(TCPSocketStateError) {
        var input = StateDecoder(bytes)
        do {
            let version: UInt16 = try input.integer()
            guard version == Self.version else { throw TCPSocketStateError.unknownVersion(version) }
            self = try TCPSocketState(from: &input, queueLimit: queueLimit)
            try input.finish()
        } catch let error as TCPSocketStateError {
            throw error
        } catch {
            throw .malformed("\(error)")
        }
    }

    private init(from input: inout StateDecoder, queueLimit: Int) throws {
        let number: UInt8 = try input.integer()
        guard let state = MovableState(rawValue: number) else { throw TCPSocketStateError.notMovable(state: number) }
        self.state = state
        local = try Self.address(&input)
        remote = try Self.address(&input)
        guard local.family == remote.family else {
            throw TCPSocketStateError.malformed("the ends are of different families")
        }
        sendSequence = try input.integer()
        receiveSequence = try input.integer()
        maximumSegmentSize = try input.integer()
        windowScale = try input.flag() ? try Self.scale(&input) : nil
        isSACKPermitted = try input.flag()
        timestamp = try input.flag() ? try input.integer() : nil
        window = RepairWindow(
            lastUpdateSequence: try input.integer(), send: try input.integer(), sendMaximum: try input.integer(),
            receive: try input.integer(), receiveLastUpdate: try input.integer())
        sendQueue = try input.data(limit: queueLimit)
        unsentCount = Int(try input.integer(UInt32.self))
        receiveQueue = try input.data(limit: queueLimit)
        guard unsentCount <= sendQueue.count else {
            throw TCPSocketStateError.malformed("\(unsentCount) unsent of \(sendQueue.count) bytes")
        }
    }

    private static func address(_ input: inout StateDecoder) throws -> InternetSocketAddress {
        let bytes = try input.data(limit: 16)
        let port: UInt16 = try input.integer()
        let scope: UInt32 = try input.integer()
        guard let value = InternetSocketAddress(address: bytes, port: port, scope: scope) else {
            throw TCPSocketStateError.malformed("an address of \(bytes.count) bytes; 4 or 16 are accepted")
        }
        return value
    }

    private static func scale(_ input: inout StateDecoder) throws -> WindowScale {
        let scale = WindowScale(send: try input.integer(), receive: try input.integer())
        guard scale.send <= 14, scale.receive <= 14 else {
            throw TCPSocketStateError.malformed("window scale \(scale.send)/\(scale.receive); at most 14 is accepted")
        }
        return scale
    }
}
