// Why the host refuses a request of its own tools, and what they read back: the closed error type
// and the result values of echo, UDP and the resolver.

import Bytes

/// Why a request to the host was refused.
public enum HostError: Error, Hashable, Sendable {
    /// The interface is gone, or was never there.
    case noSuchInterface(InterfaceID)
    /// No route leads to the destination.
    case noRoute(IPAddress)
    /// The address is not one of this node's.
    case notLocal(IPAddress)
    /// Another socket has the port.
    case portInUse(UInt16)
    /// No free port in the dynamic range.
    case noFreePort
    /// A payload of `bytes` where at most `limit` fit into a packet, fragments together.
    case tooLong(bytes: Int, limit: Int)
    /// The output queue is full: try again after the next transmit.
    case queueFull
    /// Already `limit` of them are open.
    case tooMany(limit: Int)
    /// The socket, echo or query does not exist (any more).
    case unknownHandle
    /// The buffer source lent nothing.
    case noMemory(bytes: Int)
}

extension HostError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noSuchInterface(let id): "no interface \(id.rawValue)"
        case .noRoute: "Network is unreachable"
        case .notLocal(let address): "\(address) is not an address of this node"
        case .portInUse(let port): "port \(port) is in use"
        case .noFreePort: "no free port between 49152 and 65535"
        case .tooLong(let bytes, let limit): "\(bytes) bytes are too long, at most \(limit) fit in one packet"
        case .queueFull: "the output queue is full"
        case .tooMany(let limit): "already \(limit) open"
        case .unknownHandle: "no such socket"
        case .noMemory(let bytes): "no memory for a buffer of \(bytes) bytes"
        }
    }
}

/// Names an echo session (one `ping`), which is one ICMP identifier.
public struct EchoID: Hashable, Sendable { let rawValue: UInt32 }

/// What came of an echo request that was sent.
public enum EchoEvent: Equatable, Sendable {
    /// The peer answered.
    case reply(EchoReply)
    /// The network answered with an error; `from` is who said so.
    case failed(sequence: UInt16, error: PathError, from: IPAddress)
}

/// An echo reply that was waited for.
public struct EchoReply: Equatable, Sendable {
    /// Of the request that is answered.
    public var sequence: UInt16
    /// Who answered.
    public var from: IPAddress
    /// ICMP bytes: the payload and the 8-byte header, as `ping` counts.
    public var bytes: Int
    /// Time to live, or hop limit, of the packet that arrived.
    public var ttl: UInt8
    /// From the request's leaving to the reply's arrival.
    public var roundTrip: Interval
    /// The payload came back as it was sent.
    public var isIntact: Bool
    /// A reply to this sequence number had come before.
    public var isDuplicate: Bool
}

/// Names a UDP socket of the host.
public struct UDPSocketID: Hashable, Sendable { let rawValue: UInt32 }

/// A received datagram.
public struct UDPDatagram: Equatable, Sendable {
    /// Who sent it.
    public var source: Endpoint
    /// Which of our addresses it was sent to.
    public var destination: Endpoint
    /// Bytes of the datagram; more than the room means that its end was cut off.
    public var length: Int
}

/// A UDP socket as a table shows it.
public struct UDPStatus: Equatable, Sendable {
    /// The socket.
    public var id: UDPSocketID
    /// Its own end; the address is unspecified when it is bound to none.
    public var local: Endpoint
    /// Its peer, when it is connected.
    public var remote: Endpoint?
    /// Datagrams waiting to be received.
    public var readable: Int
    /// What the network said about a datagram sent earlier; reading the status clears it.
    public var error: PathError?
}

/// Names a name resolution under way.
public struct QueryID: Hashable, Sendable { let rawValue: UInt32 }

/// What a resolved name stands for.
public struct ResolvedName: Equatable, Sendable {
    /// The name that was found: with the search domain that fitted, after following aliases.
    public var canonicalName: String
    /// The name that was asked for in the end, before aliases.
    public var queriedName: String
    /// In the order of the answer; at least one.
    public var addresses: [IPAddress]
    /// Who answered; `nil` for literal addresses and `localhost`.
    public var server: IPAddress?
}

/// Why a name was not resolved.
public enum ResolveError: Error, Equatable, Sendable {
    /// No interface has learnt a name server.
    case noServers
    /// No name by RFC 1035, 2.3.1.
    case badName(String)
    /// No such name (NXDOMAIN) in any domain of the search list.
    case notFound(String)
    /// The name exists and has no A record.
    case noAddress(String)
    /// No server answered in time.
    case timedOut(String)
    /// The server said so: 1 FORMERR, 2 SERVFAIL, 4 NOTIMP, 5 REFUSED (RFC 1035, 4.1.1).
    case refused(code: UInt8, server: IPAddress)
    /// The answer does not fit into a UDP message, and the server gave none by TCP.
    case truncated(server: IPAddress)
    /// More aliases in a row than are followed.
    case aliasLoop(String)
    /// Already `limit` are under way.
    case tooManyQueries(limit: Int)
}

extension ResolveError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noServers: "no name server is known"
        case .badName(let name): "'\(name)' is not a host name"
        case .notFound(let name): "** server can't find \(name): NXDOMAIN"
        case .noAddress(let name): "*** Can't find \(name): No answer"
        case .timedOut(let name): "no name server answered for \(name)"
        case .refused(let code, let server):
            "server \(server) failed: \([1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"][code] ?? "rcode \(code)")"
        case .truncated(let server): "the answer of \(server) is too long for UDP, and it gave none by TCP"
        case .aliasLoop(let name): "the aliases of \(name) lead nowhere: more than \(Resolver.aliasLimit) in a row"
        case .tooManyQueries(let limit): "already \(limit) queries under way"
        }
    }
}
