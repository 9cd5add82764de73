// The far ends of many connections in a process of their own, so that both ends together may be more than one
// process's descriptors. Whatever arrives is sent back.

import CLinux
import Glibc
import Linux

/// A child that accepts at `ports` of the peer's address and echoes; it ends with this value, or with its parent.
final class EchoPeer {
    static let ports: Range<UInt16> = 7000..<7016
    private let pid: pid_t
    /// Its hang-up is the child's end.
    private let lifeline: FileDescriptor

    init(_ network: Network) throws {
        try network.peer.enter()
        let listeners = try Self.ports.map(Self.listener)
        var pipes: [CInt] = [-1, -1]
        try require(pipe(&pipes) == 0, "pipe")
        fflush(nil)
        pid = fork()
        if pid == 0 {
            close(pipes[1])
            Self.serve(listeners, until: pipes[0])
            exit(0)
        }
        close(pipes[0])
        lifeline = FileDescriptor(owning: pipes[1])
        try require(pid > 0, "fork")
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// A connection to it from the place.
    func connect(_ network: Network, _ index: Int) throws -> SharedDescriptor {
        let port = Self.ports.lowerBound + UInt16(index % Self.ports.count)
        guard let server = Family.v4.address(peerAddress, port: port) else { throw LabFailure("address") }
        let near = try tcpSocket(server.family)
        _ = server.withSockAddr { Glibc.connect(near.raw, $0, $1) }
        try require(ready(near.raw, POLLOUT) && (try tcpState(near.raw)) == 1, "connection \(index) is not made")
        return near
    }

    private static func listener(at port: UInt16) throws -> SharedDescriptor {
        guard let server = Family.v4.address(peerAddress, port: port) else { throw LabFailure("address") }
        let listener = try tcpSocket(server.family)
        try require(server.withSockAddr { bind(listener.raw, $0, $1) } == 0, "bind \(server): errno \(errno)")
        try require(listen(listener.raw, 1024) == 0, "listen")
        return listener
    }

    private static func serve(_ listeners: [SharedDescriptor], until lifeline: CInt) {
        let queue = epoll_create1(0)
        for fd in [lifeline] + listeners.map(\.raw) { watch(fd, queue) }
        let accepting = Set(listeners.map(\.raw))
        var room = [UInt8](repeating: 0, count: 4096)
        var event = epoll_event()
        while epoll_wait(queue, &event, 1, -1) == 1 {
            let fd = event.data.fd
            if fd == lifeline { return }
            if accepting.contains(fd) {
                let accepted = ne_accept(fd)
                if accepted >= 0 { watch(accepted, queue) }
                continue
            }
            let count = recv(fd, &room, room.count, 0)
            if count > 0 { send(fd, room, count, 0x4000) }
            if count == 0 || count < 0 && errno != EAGAIN { close(fd) }
        }
    }

    private static func watch(_ fd: CInt, _ queue: CInt) {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: fd))
        epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event)
    }
}
