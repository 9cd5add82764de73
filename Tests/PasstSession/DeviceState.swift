// Device state of a vhost-user back-end, asked for and handed over as QEMU does it: a pipe by SET_DEVICE_STATE_FD, then
// CHECK_DEVICE_STATE (vhost-user specification, "Migrating back-end state"). It speaks on a second descriptor of a
// front-end's socket while that front-end has nothing outstanding; it never turns a reactor.

import CLinux
import Glibc
import Linux
import TestSupport
import VhostUser

/// The one-sided conversation about a back-end's state.
struct DeviceStateDoor {
    private let socket: SharedDescriptor

    /// - Parameter socket: of a front-end that has done its handshake; borrowed, duplicated.
    init(_ socket: borrowing FileDescriptor) throws {
        self.socket = SharedDescriptor(try socket.duplicate())
    }

    /// The state of a stopped back-end.
    func save() throws -> [UInt8] {
        let pipe = try Pipe()
        try hand(pipe[1], .save)
        pipe.closeEnd(1)
        var blob: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            try wait(pipe[0], for: "the device state")
            let count = read(pipe[0], &chunk, chunk.count)
            guard count > 0 else { break }
            blob += chunk[..<count]
        }
        try checkState("save")
        return blob
    }

    /// Gives a state to a back-end that has neither features nor memory yet.
    func load(_ blob: [UInt8]) throws {
        let pipe = try Pipe()
        try hand(pipe[0], .load)
        pipe.closeEnd(0)
        var rest = blob[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(pipe[1], $0.baseAddress, $0.count) }
            guard count > 0 else { throw TestFailure(description: "the back-end stopped reading its state") }
            rest = rest.dropFirst(count)
        }
        pipe.closeEnd(1)
        try checkState("load")
    }

    /// The back-end may return a descriptor of its own; passt never does (bit 8 set).
    private func hand(_ end: CInt, _ direction: StateTransfer) throws {
        let answer = try ask(.setDeviceStateDescriptor(direction), descriptors: [end])
        guard answer == 0x100 else {
            throw TestFailure(description: "SET_DEVICE_STATE_FD (\(direction)): answer \(answer), 256 is accepted")
        }
    }

    private func checkState(_ what: String) throws {
        let answer = try ask(.checkDeviceState, descriptors: [])
        guard answer == 0 else { throw TestFailure(description: "CHECK_DEVICE_STATE after \(what): \(answer)") }
    }

    /// Sends a request and waits for its reply of eight bytes.
    private func ask(_ message: Message, descriptors: [CInt]) throws -> UInt64 {
        guard try UnixSocket.send(socket.raw, message: message.encoded(), descriptors: descriptors) else {
            throw TestFailure(description: "\(message.request): the socket is full")
        }
        var receiver = MessageReceiver(receiving: .replies)
        var room = [UInt8](repeating: 0, count: 64)
        while true {
            try wait(socket.raw, for: "an answer to \(message.request)")
            let needed = min(room.count, receiver.needed)
            let packet = try room.withUnsafeMutableBytes {
                try UnixSocket.receive(socket.raw, into: .init(rebasing: $0[..<needed]), descriptorLimit: 1)
            }
            guard let packet, packet.count > 0 else {
                throw TestFailure(description: "\(message.request): the back-end closed the connection")
            }
            let reply = try room.withUnsafeBytes { try receiver.take(.init(rebasing: $0[..<packet.count])) }
            guard let reply else { continue }
            guard reply.header.request == message.request.rawValue, reply.payload.count == 8 else {
                throw TestFailure(description: "\(message.request): answered by \(reply.header)")
            }
            return reply.payload.enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
        }
    }

    private func wait(_ fd: CInt, for what: String) throws {
        var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 20_000) > 0 else { throw TestFailure(description: "no \(what) within 20 s") }
    }
}

/// A blocking pipe whose ends are closed one by one.
private final class Pipe {
    private var ends: [CInt] = [-1, -1]

    init() throws { _ = try check(ne_pipe(&ends), "pipe2") }
    deinit { for end in 0..<2 { closeEnd(end) } }

    subscript(end: Int) -> CInt { ends[end] }

    func closeEnd(_ end: Int) {
        if ends[end] >= 0 { close(ends[end]) }
        ends[end] = -1
    }
}
