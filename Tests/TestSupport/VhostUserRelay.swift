// Two listening ends of vhost-user joined: a message at a time, because a descriptor belongs to the first byte of its
// message.

import CLinux
import Glibc
import Linux

/// Relays between two stream sockets on a thread of its own until one of them ends.
public final class VhostUserRelay: Sendable {
    private let first: SharedDescriptor
    private let second: SharedDescriptor

    /// Connects to both paths.
    public init(_ one: String, _ other: String) throws {
        first = SharedDescriptor(try UnixSocket.connect(to: one))
        second = SharedDescriptor(try UnixSocket.connect(to: other))
        let (first, second) = (first, second)
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Pair(first, second))
        guard
            pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<Pair>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, box.toOpaque()) == 0
        else { throw TestFailure(description: "no thread") }
        pthread_detach(thread)
    }

    /// Ends both connections.
    public func end() {
        shutdown(first.raw, Int32(SHUT_RDWR))
        shutdown(second.raw, Int32(SHUT_RDWR))
    }

    private final class Pair: Sendable {
        let first: SharedDescriptor
        let second: SharedDescriptor

        init(_ first: SharedDescriptor, _ second: SharedDescriptor) {
            self.first = first
            self.second = second
        }

        func run() {
            while true {
                var entries = [first, second].map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
                guard poll(&entries, 2, 60_000) > 0 else { break }
                if entries[0].revents != 0, !relay(first, second) { break }
                if entries[1].revents != 0, !relay(second, first) { break }
            }
            shutdown(first.raw, Int32(SHUT_RDWR))
            shutdown(second.raw, Int32(SHUT_RDWR))
        }

        /// Hands one message on: 12 bytes of header, the payload that they announce, descriptors.
        private func relay(_ source: SharedDescriptor, _ target: SharedDescriptor) -> Bool {
            var message: [UInt8] = []
            var descriptors: [SharedDescriptor] = []
            var wanted = 12
            while message.count < wanted {
                var room = [UInt8](repeating: 0, count: wanted - message.count)
                let packet = room.withUnsafeMutableBytes { room in
                    try? UnixSocket.receive(source.raw, into: room, descriptorLimit: 16)
                }
                guard let packet else {
                    var entry = pollfd(fd: source.raw, events: Int16(POLLIN), revents: 0)
                    poll(&entry, 1, 1000)
                    continue
                }
                guard packet.count > 0 else { return false }
                message += room[..<packet.count]
                descriptors += packet.descriptors
                if message.count == 12 {
                    wanted = 12 + Int(message[8]) + Int(message[9]) << 8 + Int(message[10]) << 16
                }
            }
            let isSent = try? UnixSocket.send(target.raw, message: message, descriptors: descriptors.map(\.raw))
            return isSent == true
        }
    }
}
