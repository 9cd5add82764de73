// UDP sockets with what is queued, and echo sessions with what came back, on their way to another process.

import Bytes

extension UDPTable {
    /// Sockets in the order of opening. Where the memory of a queue moves by itself (guest RAM) it goes by its name and
    /// the datagrams by their places, else with their bytes.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&lastID)
        var count = sockets.count
        try coder.count(&count, atMost: Self.limit, "number of UDP sockets")
        let written = table().map(\.id)
        for index in 0..<count {
            var id = coder.isReading ? UDPSocketID.blank : written[index]
            try id.code(&coder)
            try codeSocket(id, &coder)
        }
    }

    private mutating func codeSocket(_ id: UDPSocketID, _ coder: inout StateCoder) throws(StateError) {
        let written = self[id]
        var (local, remote, error) = (written?.local ?? .blank, written?.remote, written?.error)
        var name = written.flatMap { buffers.name(of: $0.queue.span) }
        try local.code(&coder)
        try coder.optional(&remote)
        try coder.optional(&error)
        try coder.optional(&name)
        if coder.isReading {
            try add(id, local, name)
            self[id]?.remote = remote
            self[id]?.error = error
        }
        guard let socket = self[id] else { return }
        if name == nil { try socket.queue.code(&coder) } else { try socket.queue.codePlaces(&coder) }
    }

    private mutating func add(_ id: UDPSocketID, _ local: Endpoint, _ name: UInt64?) throws(StateError) {
        guard self[id] == nil, !clashes(local) else { throw .impossible("two UDP sockets of the same name") }
        let bytes = UDPSocket.queueBytes
        let span = name.map { buffers.lend(named: $0, bytes: bytes) } ?? buffers.lend(bytes)
        guard let span else { throw .impossible("memory of a UDP socket") }
        insert(UDPSocket(id: id, local: local, span: span))
    }
}

extension EchoTable {
    private struct Listed: StateCoded {
        var session: EchoSession
        static var blank: Listed { Listed(session: EchoSession(id: .blank, destination: .any)) }

        mutating func code(_ coder: inout StateCoder) throws(StateError) {
            var (id, destination) = (session.id, session.destination)
            try id.code(&coder)
            try destination.code(&coder)
            if coder.isReading { session = EchoSession(id: id, destination: destination) }
            try session.code(&coder)
        }
    }

    /// Sessions by their identifiers.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&lastID)
        var listed = sessions.sorted { $0.key < $1.key }.map { Listed(session: $0.value) }
        try coder.list(&listed, limit: Self.limit, "number of echo sessions")
        guard coder.isReading else { return }
        sessions = [:]
        for one in listed {
            let identifier = identifier(of: one.session.id)
            guard identifier != 0, sessions.updateValue(one.session, forKey: identifier) == nil else {
                throw .impossible("an echo session")
            }
        }
    }
}

extension EchoSession {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.list(&requests, limit: Self.requestLimit, "number of echo requests")
        try coder.list(&events, limit: Self.eventLimit, "number of echo replies")
    }
}

extension EchoSession.Request: StateCoded {
    static var blank: EchoSession.Request { EchoSession.Request(sequence: 0, sent: Instant(nanoseconds: 0)) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&sequence)
        try coder.instant(&sent)
        try coder.flag(&isAnswered)
    }
}

extension EchoEvent: StateCoded {
    /// No reply.
    public static var blank: EchoEvent { .failed(sequence: 0, error: .timeExceeded, from: .any) }
    /// A flag, then the reply or what was said instead of one.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (reply, sequence, error, reporter): (EchoReply?, UInt16, PathError, IPAddress) = (
            nil, 0, .timeExceeded, .any
        )
        switch self {
        case .reply(let said): reply = said
        case .failed(let of, let why, let from): (sequence, error, reporter) = (of, why, from)
        }
        try coder.optional(&reply)
        if let reply {
            self = .reply(reply)
            return
        }
        try coder.integer(&sequence)
        try error.code(&coder)
        try reporter.code(&coder)
        self = .failed(sequence: sequence, error: error, from: reporter)
    }
}

extension EchoReply: StateCoded {
    /// Nobody's.
    public static var blank: EchoReply {
        EchoReply(
            sequence: 0, from: .any, bytes: 0, ttl: 0, roundTrip: .zero, isIntact: true, isDuplicate: false)
    }

    /// In the order of the fields.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&sequence)
        try from.code(&coder)
        try coder.count(&bytes, in: 0...65_535, "bytes of an echo reply")
        try coder.integer(&ttl)
        try coder.interval(&roundTrip)
        try coder.flag(&isIntact)
        try coder.flag(&isDuplicate)
    }
}
