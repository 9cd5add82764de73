// A server that says anything to a helper: commands that exist and others, descriptors that can be switched and others.
// A model says what must come of it: which sockets are in repair mode, which bytes are answered, how it is counted.
// As root sockets are really switched; without the capability every request is refused.

import Glibc
import Linux
import RepairHelper

/// Descriptors that all runs share.
private enum Pool {
    static let plain = (0..<3).map { _ in made(AF_INET, SOCK_STREAM) } + [made(AF_INET6, SOCK_STREAM)]
    static let listener: SharedDescriptor = {
        let socket = made(AF_INET, SOCK_STREAM)
        demand(listen(socket.raw, 1) == 0, "listen")
        return socket
    }()
    static let others = [
        listener, made(AF_INET, SOCK_DGRAM), made(AF_UNIX, SOCK_STREAM),
        SharedDescriptor(FileDescriptor(owning: open("/dev/null", O_RDONLY | O_CLOEXEC))),
    ]
    /// The first four can be switched.
    static let all = plain + others
    static let isPrivileged = (try? RepairOption(plain[0].raw).set(.off)) != nil

    static func made(_ family: CInt, _ kind: __socket_type) -> SharedDescriptor {
        SharedDescriptor(FileDescriptor(owning: socket(family, CInt(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)))
    }
}

struct HelperConversation {
    private struct Message {
        let byte: UInt8
        let descriptors: [Int]
    }

    private let releases: Bool
    private let messages: [Message]

    init(_ script: Script) {
        var script = script
        releases = script.flag()
        var messages: [Message] = []
        while !script.isEmpty, messages.count < 16 {
            let choice = script.byte()
            // Mostly commands that exist.
            let byte = choice & 0xc0 == 0 ? script.byte() : UInt8(bitPattern: Int8(choice % 3) - 1)
            let count = Int(script.byte()) % 17
            messages.append(
                Message(byte: byte, descriptors: (0..<count).map { _ in Int(script.byte()) % Pool.all.count }))
        }
        self.messages = messages
    }

    func play() {
        if Pool.isPrivileged { for socket in Pool.plain { try? RepairOption(socket.raw).set(.offWithoutProbe) } }
        let before = lowestFree()
        converse()
        demand(lowestFree() == before, "descriptors were left open")
    }

    private func converse() {
        guard let (server, helper) = try? UnixSocket.pair() else { fatalError("socketpair") }
        for message in messages {
            let sent = try? UnixSocket.send(
                server.raw, message: [message.byte], descriptors: message.descriptors.map { Pool.all[$0].raw })
            demand(sent == true, "not sent")
        }
        shutdown(server.raw, CInt(SHUT_WR))
        var session = RepairSession(socket: helper.raw, releases: releases, limit: 1000)
        var hasFailed = false
        do { try session.run() } catch { hasFailed = true }
        let expected = Expectation(messages.map { ($0.byte, $0.descriptors) })
        demand(hasFailed == expected.isOver, "failed: \(hasFailed)")
        let counts = session.counts
        demand(counts.given == expected.counts.given && counts.switched == expected.counts.switched, "\(counts)")
        demand(counts.failed == counts.given - counts.switched && counts.released <= counts.switched, "\(counts)")
        var answers = [UInt8](repeating: 0, count: 32)
        let count = recv(server.raw, &answers, answers.count, CInt(MSG_DONTWAIT))
        demand(Array(answers.prefix(max(0, count))) == expected.answers, "answers \(answers.prefix(max(0, count)))")
        // At a good end sockets may have been let go, which is the kernel's own state.
        guard hasFailed else { return }
        for (index, socket) in Pool.plain.enumerated() {
            demand((try? RepairOption(socket.raw).isOn()) == expected.isOn[index], "socket \(index)")
        }
    }

    private func lowestFree() -> CInt {
        let fd = dup(Pool.all[0].raw)
        close(fd)
        return fd
    }

    /// What must come of the messages.
    private struct Expectation {
        var isOn = Pool.plain.map { _ in false }
        var counts = RepairCounts()
        var answers: [UInt8] = []
        var isOver = false

        init(_ messages: [(byte: UInt8, descriptors: [Int])]) {
            for message in messages where !isOver { take(message.byte, message.descriptors) }
        }

        private mutating func take(_ byte: UInt8, _ descriptors: [Int]) {
            counts.given += descriptors.count
            let isCommand = byte <= 1 || byte == 0xff
            guard isCommand, !descriptors.isEmpty, Pool.isPrivileged,
                descriptors.allSatisfy({ $0 < Pool.plain.count })
            else {
                isOver = true
                return
            }
            for index in descriptors { isOn[index] = byte == 1 }
            counts.switched += descriptors.count
            answers.append(byte)
        }
    }
}
