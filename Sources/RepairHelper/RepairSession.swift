// The helper's side of one conversation, from the first message to end of file: batches all or
// nothing, and at the end the release of the 4-tuples that a good save left behind.

import Glibc
import Linux

/// One conversation with a server, over a connected stream socket. Blocking: a helper does nothing else.
package struct RepairSession: ~Copyable {
    /// How long sockets for new connections wait for the release of others, and silent ports for a connection that comes
    /// back, at most; milliseconds.
    private static let holdPatience = 2000

    /// Our own descriptor of a socket that is in repair mode through us.
    private struct Kept {
        let socket: SharedDescriptor
        /// SO_MARK before it was marked as held; nil when it is not.
        let formerMark: UInt32?
        /// Somebody listens at its port: it came in through one that its server forwards, which wants to listen there
        /// again, on this host. Its packets are not taken by a silent port.
        let isServed: Bool
    }

    private let socket: CInt
    private let releases: Bool
    private let stays: Bool
    private let limit: Int
    /// By the kernel's name of the socket: the same socket comes back through another descriptor.
    private var kept: [UInt64: Kept] = [:]
    /// Their names in the order in which they came; some may have been switched off since.
    private var order: [UInt64] = []
    private var markedCount = 0
    private var others = OtherHelpers(patience: Self.holdPatience)
    /// Ports of connections that were let go.
    private var silent: [SharedDescriptor] = []
    /// Connections that were let go and take their packets themselves meanwhile.
    private var aside: [SharedDescriptor] = []
    private var released: [ConnectionEnds] = []
    package private(set) var counts = RepairCounts()

    /// - Parameters:
    ///   - socket: connected to the server; borrowed.
    ///   - releases: free the 4-tuples of sockets that are in repair mode when the server closes.
    ///   - stays: the connections go to another host: their ports are silent until this process is ended.
    ///   - limit: sockets that can be in repair mode at once.
    package init(socket: CInt, releases: Bool, stays: Bool = false, limit: Int) {
        self.socket = socket
        self.releases = releases
        self.stays = stays
        self.limit = limit
    }

    /// Serves until the server closes. When it throws, what is still switched on belongs to a server that learns
    /// it by end of file, and closes or switches its sockets itself.
    package mutating func run() throws(RepairError) {
        do throws(RepairError) {
            while let (command, sockets) = try receive() { try serve(command, sockets) }
        } catch {
            for (cookie, entry) in kept {
                unmark(cookie)
                SilencingFilter.detach(from: entry.socket.raw)
            }
            throw error
        }
        release()
    }

    /// The next message; nil at the end.
    private mutating func receive() throws(RepairError) -> (RepairCommand, [SharedDescriptor])? {
        var byte: UInt8 = 0
        guard let message = try message(&byte), message.count > 0 else { return nil }
        counts.given += message.descriptors.count
        guard let command = RepairCommand(byte: byte) else {
            throw refused(message, .unknownCommand(Int8(bitPattern: byte)))
        }
        guard !message.descriptors.isEmpty, !message.isTruncated else {
            throw refused(message, .descriptors(count: message.descriptors.count))
        }
        return (command, message.descriptors)
    }

    /// A message that asks for nothing that can be done: what came with it is counted.
    private mutating func refused(_ message: ReceivedPacket, _ error: RepairError) -> RepairError {
        counts.failed += message.descriptors.count
        return error
    }

    private func message(_ byte: inout UInt8) throws(RepairError) -> ReceivedPacket? {
        do {
            while true {
                _ = try waitReadable(socket, milliseconds: nil)
                let message = try withUnsafeMutableBytes(of: &byte) { (room) throws(SystemError) in
                    try UnixSocket.receive(socket, into: room, descriptorLimit: repairBatchLimit)
                }
                if let message { return message }
            }
        } catch {
            if error.code == ECONNRESET { return nil }
            throw .peer("receiving from the peer: \(error.reason)")
        }
    }

    /// Switches a whole batch and acknowledges it, or nothing of it.
    private mutating func serve(_ command: RepairCommand, _ sockets: [SharedDescriptor]) throws(RepairError) {
        if command == .on, !sockets.contains(where: { isConnected($0.raw) }) {
            others.awaitRelease(own: markedCount)
            for socket in sockets where isTCP(socket.raw) {
                SocketBuffer.send.raise(of: socket.raw, to: SocketBuffer.usualQueue)
            }
        }
        var before: [Bool] = []
        if let error = switchAll(command, sockets, &before) {
            // Backwards: a socket may be in the batch twice.
            for (socket, wasOn) in zip(sockets, before).reversed() where wasOn != (command == .on) {
                try? put(socket.raw, to: wasOn ? .on : .offWithoutProbe)
            }
            counts.failed += sockets.count
            throw error
        }
        for socket in sockets { account(command, socket) }
        counts.switched += sockets.count
        try acknowledge(command)
    }

    private func isConnected(_ fd: CInt) -> Bool {
        // TCP_CLOSE of the kernel's tcp_states.h: a socket that was never connected, or is no more.
        let closedState: UInt8 = 7
        return (try? RepairOption(fd).info().tcpi_state) != closedState
    }

    /// What went wrong, if anything did; of each socket that was switched by then, `before` has whether it was on.
    private mutating func switchAll(
        _ command: RepairCommand, _ sockets: [SharedDescriptor], _ before: inout [Bool]
    ) -> RepairError? {
        guard command != .on || kept.count + sockets.count <= limit else { return .tooMany(limit: limit) }
        for (index, socket) in sockets.enumerated() {
            guard isTCP(socket.raw) else { return .notTCP(index: index) }
            let mode = RepairOption.Mode(rawValue: CInt(command.rawValue)) ?? .off
            if command != .on { unmark(socket.raw) }
            do {
                let wasOn = try RepairOption(socket.raw).isOn()
                try put(socket.raw, to: mode)
                before.append(wasOn)
            } catch {
                return .refused(command: command, index: index, errno: error.code)
            }
        }
        return nil
    }

    /// A connection in repair mode takes nothing (`SilencingFilter`).
    private func put(_ fd: CInt, to mode: RepairOption.Mode) throws(SystemError) {
        if mode != .on { SilencingFilter.detach(from: fd) }
        do { try RepairOption(fd).set(mode) } catch {
            if mode != .on { SilencingFilter.attach(to: fd) }
            throw error
        }
        // It may have taken something until now; its owner reads the queue behind the answer.
        if mode == .on { SilencingFilter.attach(to: fd) }
    }

    private func isTCP(_ fd: CInt) -> Bool {
        var number: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &number, &size) == 0 && number == CInt(IPPROTO_TCP)
    }

    /// Keeps our copy of a socket that was switched on, and marks it when it is a connection; lets go of one that was
    /// switched off.
    private mutating func account(_ command: RepairCommand, _ socket: SharedDescriptor) {
        guard releases, let cookie = try? RepairOption(socket.raw).cookie() else { return }
        if command == .on, kept[cookie] == nil {
            let isConnected = isConnected(socket.raw)
            let mark = isConnected ? HoldMark.put(on: socket.raw) : nil
            let isServed = isConnected && !stays && SilentPort.open(beside: socket.raw) == nil
            kept[cookie] = Kept(socket: socket, formerMark: mark, isServed: isServed)
            order.append(cookie)
            markedCount += mark == nil ? 0 : 1
        } else if command != .on {
            kept[cookie] = nil
        }
        if kept.isEmpty { order = [] }
    }

    /// Before it speaks again, whether this conversation marked it or one that was cut off.
    private mutating func unmark(_ fd: CInt) {
        guard let cookie = try? RepairOption(fd).cookie(), kept[cookie] != nil else {
            return HoldMark.remove(from: fd)
        }
        unmark(cookie)
    }

    private mutating func unmark(_ cookie: UInt64) {
        guard let entry = kept[cookie], let former = entry.formerMark else { return }
        HoldMark.remove(from: entry.socket.raw, former: former)
        kept[cookie] = Kept(socket: entry.socket, formerMark: nil, isServed: entry.isServed)
        markedCount -= 1
    }

    private func acknowledge(_ command: RepairCommand) throws(RepairError) {
        let taken: Int?
        do {
            taken = try withUnsafeBytes(of: command.byte) { (byte) throws(SystemError) in
                try UnixSocket.send(socket, byte)
            }
        } catch {
            // The server went away instead of waiting; what that means is decided at end of file.
            if error.code == EPIPE || error.code == ECONNRESET { return }
            throw .peer("replying to the peer: \(error.reason)")
        }
        // One request at a time: a socket full of answers is not how this protocol is spoken.
        if taken == nil { throw .peer("the peer does not read its answers") }
    }

    /// The server closed while these are in repair mode: the connections live elsewhere now. They are let go in the
    /// order in which they came, because a destination on this host puts them up in that order at this very moment.
    private mutating func release() {
        for cookie in order {
            guard let entry = kept[cookie] else { continue }
            let socket = entry.socket
            if (try? RepairOption(socket.raw).isOn()) == true {
                let ends = ConnectionEnds(of: socket.raw)
                if ends != nil, !entry.isServed, let port = SilentPort.open(beside: socket.raw) { silent.append(port) }
                if letGo(entry) {
                    counts.released += 1
                    if let ends { released.append(ends) }
                }
            }
            unmark(cookie)
            kept[cookie] = nil
        }
    }

    /// Makes room for a new socket with the same ends.
    private mutating func letGo(_ entry: Kept) -> Bool {
        if entry.isServed, AsideSocket.stepAside(entry.socket.raw) {
            aside.append(entry.socket)
            return true
        }
        return (try? RepairOption(entry.socket.raw).disconnect()) != nil
    }

    /// Keeps what was let go silent until a destination of this network namespace has put it up, and for a moment when
    /// none does: it may be on another host.
    package mutating func awaitArrival() {
        let isSilent = !silent.isEmpty || !aside.isEmpty
        while stays, isSilent { pause(milliseconds: 1000) }
        if isSilent { others.awaitReturn(of: released, milliseconds: Self.holdPatience) }
        // Its server may have it open still.
        for socket in aside { try? RepairOption(socket.raw).disconnect() }
        aside = []
        silent = []
        released = []
    }
}

func errnoText(_ code: CInt) -> String { String(cString: strerror(code)) }
