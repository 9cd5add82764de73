// UDP sockets (RFC 768; RFC 1122, 4.1): who listens on which port, and what waits to be read. The
// receive queue lies in lent memory (guest RAM), its records here.

import Bytes

/// One UDP socket.
final class UDPSocket {
    /// Bytes and datagrams that wait to be read.
    static let queueBytes = 64 << 10
    static let queueLimit = 256

    let id: UDPSocketID
    let local: Endpoint
    var remote: Endpoint?
    var error: PathError?
    var queue: PacketQueue

    init(id: UDPSocketID, local: Endpoint, span: UnsafeMutableRawBufferPointer) {
        self.id = id
        self.local = local
        queue = PacketQueue(span: span, limit: Self.queueLimit)
    }

    func accepts(from source: Endpoint, to destination: Endpoint) -> Bool {
        guard local.port == destination.port else { return false }
        guard local.address.isUnspecified || local.address == destination.address else { return false }
        return remote == nil || remote == source
    }

    /// How exactly the socket names this datagram: the most exact one gets it (RFC 1122, 4.1.3.5).
    var precision: Int { (remote == nil ? 0 : 2) + (local.address.isUnspecified ? 0 : 1) }

    var status: UDPStatus {
        UDPStatus(id: id, local: local, remote: remote, readable: queue.count, error: error)
    }
}

/// All UDP sockets of a host.
struct UDPTable {
    static let limit = 1024
    static let dynamicPorts: ClosedRange<UInt16> = 49152...65535

    let buffers: any BufferSource
    private(set) var sockets: [UDPSocketID: UDPSocket] = [:]
    private var byPort: [UInt16: [UDPSocket]] = [:]
    var lastID: UInt32 = 0

    init(buffers: any BufferSource) { self.buffers = buffers }

    subscript(id: UDPSocketID) -> UDPSocket? { sockets[id] }

    func isInUse(_ port: UInt16) -> Bool { byPort[port] != nil }

    mutating func open(_ local: Endpoint) throws(HostError) -> UDPSocketID {
        guard sockets.count < Self.limit else { throw .tooMany(limit: Self.limit) }
        guard !clashes(local) else { throw .portInUse(local.port) }
        guard let span = buffers.lend(UDPSocket.queueBytes) else { throw .noMemory(bytes: UDPSocket.queueBytes) }
        lastID &+= 1
        let socket = UDPSocket(id: UDPSocketID(rawValue: lastID), local: local, span: span)
        insert(socket)
        return socket.id
    }

    /// Another socket has the port on one of these addresses.
    func clashes(_ local: Endpoint) -> Bool {
        (byPort[local.port] ?? []).contains {
            $0.local.address == local.address || $0.local.address.isUnspecified || local.address.isUnspecified
        }
    }

    mutating func insert(_ socket: UDPSocket) {
        sockets[socket.id] = socket
        byPort[socket.local.port, default: []].append(socket)
    }

    mutating func close(_ id: UDPSocketID) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        let port = socket.local.port
        byPort[port]?.removeAll { $0 === socket }
        if byPort[port]?.isEmpty == true { byPort[port] = nil }
        buffers.giveBack(socket.queue.span)
    }

    /// Calls `body` with what was written since the last call.
    func takeWritten(_ body: (UnsafeMutableRawBufferPointer) -> Void) {
        for socket in sockets.values { body(socket.queue.takeWritten()) }
    }

    /// Gives all lent memory back.
    mutating func closeAll() {
        for id in sockets.keys { close(id) }
    }

    func socket(from source: Endpoint, to destination: Endpoint) -> UDPSocket? {
        guard let candidates = byPort[destination.port] else { return nil }
        var best: UDPSocket?
        for socket in candidates where socket.accepts(from: source, to: destination) {
            if best == nil || socket.precision > (best?.precision ?? 0) { best = socket }
        }
        return best
    }

    func table() -> [UDPStatus] {
        sockets.values.map(\.status).sorted { $0.id.rawValue < $1.id.rawValue }
    }
}
