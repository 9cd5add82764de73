// Echo sessions (RFC 792, "Echo or Echo Reply Message"): which requests are on their way and what
// came back. Packets are made and read in Host+ICMP.swift.

import Bytes

/// One `ping`: an ICMP identifier with its requests and events.
struct EchoSession {
    /// Requests remembered; an answer to an older one is not recognised any more.
    static let requestLimit = 128
    static let eventLimit = 256

    struct Request {
        var sequence: UInt16
        var sent: Instant
        var isAnswered = false
    }

    let id: EchoID
    let destination: IPAddress
    var requests: [Request] = []
    var events: [EchoEvent] = []

    init(id: EchoID, destination: IPAddress) {
        self.id = id
        self.destination = destination
    }

    mutating func sent(_ sequence: UInt16, now: Instant) {
        requests.removeAll { $0.sequence == sequence }
        if requests.count >= Self.requestLimit { requests.removeFirst() }
        requests.append(Request(sequence: sequence, sent: now))
    }

    /// Notes a reply: `reply` is filled in with what the session knows.
    mutating func answered(_ reply: EchoReply, now: Instant) {
        guard let index = requests.firstIndex(where: { $0.sequence == reply.sequence }) else { return }
        var reply = reply
        reply.roundTrip = now.since(requests[index].sent)
        reply.isDuplicate = requests[index].isAnswered
        requests[index].isAnswered = true
        note(.reply(reply))
    }

    mutating func failed(_ sequence: UInt16, _ error: PathError, from reporter: IPAddress) {
        guard requests.contains(where: { $0.sequence == sequence && !$0.isAnswered }) else { return }
        note(.failed(sequence: sequence, error: error, from: reporter))
    }

    private mutating func note(_ event: EchoEvent) {
        if events.count < Self.eventLimit { events.append(event) }
    }

    mutating func nextEvent() -> EchoEvent? { events.isEmpty ? nil : events.removeFirst() }
}

/// All echo sessions of a host, by ICMP identifier.
struct EchoTable {
    static let limit = 256

    var sessions: [UInt16: EchoSession] = [:]
    var lastID: UInt32 = 0

    /// Opens a session with an identifier that is free.
    mutating func open(_ destination: IPAddress, _ random: inout Randomness) throws(HostError) -> EchoID {
        guard sessions.count < Self.limit else { throw .tooMany(limit: Self.limit) }
        var identifier = UInt16.random(in: 1...UInt16.max, using: &random)
        while sessions[identifier] != nil { identifier = identifier &+ 1 }
        lastID &+= 1
        // The identifier is part of the name, so that finding a session needs no second table.
        let id = EchoID(rawValue: lastID << 16 | UInt32(identifier))
        sessions[identifier] = EchoSession(id: id, destination: destination)
        return id
    }

    func identifier(of id: EchoID) -> UInt16 { UInt16(truncatingIfNeeded: id.rawValue) }

    /// The session of that name, not of a later one with the same identifier.
    subscript(id: EchoID) -> EchoSession? {
        guard let session = sessions[identifier(of: id)], session.id == id else { return nil }
        return session
    }

    mutating func sent(_ id: EchoID, _ sequence: UInt16, now: Instant) {
        sessions[identifier(of: id)]?.sent(sequence, now: now)
    }

    mutating func answered(_ identifier: UInt16, _ reply: EchoReply, now: Instant) {
        sessions[identifier]?.answered(reply, now: now)
    }

    mutating func failed(
        _ identifier: UInt16, _ sequence: UInt16, _ error: PathError, from reporter: IPAddress,
        destination: IPAddress
    ) {
        guard sessions[identifier]?.destination == destination else { return }
        sessions[identifier]?.failed(sequence, error, from: reporter)
    }

    mutating func nextEvent(_ id: EchoID) -> EchoEvent? {
        self[id] == nil ? nil : sessions[identifier(of: id)]?.nextEvent()
    }

    mutating func close(_ id: EchoID) {
        if self[id] != nil { sessions[identifier(of: id)] = nil }
    }
}
