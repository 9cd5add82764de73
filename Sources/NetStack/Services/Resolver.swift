// The stub resolver (RFC 1035, 7; RFC 1123, 6.1.3) as a machine: names in, datagrams out, datagrams
// in, results out. Search list, several servers with fail-over, aliases, no cache. It knows neither
// sockets nor interfaces; a query is known by the local port of its datagrams. Moves that follow an answer are in
// Resolver+Moves.swift.

import Bytes

/// A query as it must leave: from `port` of this node to port 53 of `server`.
struct ResolverDatagram: Equatable {
    var server: IPAddress
    var port: UInt16
    var message: DNSMessage
}

/// A query that must be asked again by TCP (RFC 7766).
struct ResolverStream: Equatable {
    var query: QueryID
    var server: IPAddress
    var message: DNSMessage
}

struct Resolver {
    static let serverPort: UInt16 = 53
    static let queryLimit = 64
    /// How long a server is waited for, by the round of asking all of them.
    static let patience: [Interval] = [.seconds(1), .seconds(2), .seconds(4)]
    /// How long an answer by TCP may take, connecting included.
    static let streamPatience = Interval.seconds(5)
    /// After the network has said that the last server cannot be reached, so long an answer may still come.
    static let lastChance = Interval.seconds(1)
    /// Aliases followed before a name counts as leading nowhere: as many as glibc keeps of an answer (MAX_NR_ALIASES).
    static let aliasLimit = 48

    /// A question as it was sent.
    struct Asked: Equatable {
        var server: IPAddress
        var id: UInt16
    }

    /// A resolution under way.
    struct Query {
        /// As the user gave it, for errors.
        var text: String
        /// Names still to be tried, the current one first.
        var candidates: [DNSName]
        /// What is asked for now: the candidate, or what it is an alias of.
        var target: DNSName
        var aliases = 0
        var servers: [IPAddress]
        /// Count of transmissions: server and round follow from it.
        var attempt = 0
        /// What was asked for the target and can still be answered, the last one last: a late answer is an answer, too.
        var asked: [Asked] = []
        /// The answer is awaited in a TCP connection, too, which was asked under this identifier.
        var stream: UInt16?
        var isStreaming: Bool { stream != nil }
        var port: UInt16
        var due: Instant
        /// The worst that a server said, shown when none does better.
        var refusal: ResolveError?
        /// A name of the list existed, without an address.
        var sawName = false

        var server: IPAddress { servers[attempt % servers.count] }
    }

    var random: Randomness
    var queries: [QueryID: Query] = [:]
    var results: [QueryID: Result<ResolvedName, ResolveError>] = [:]
    var lastID: UInt32 = 0
    /// Datagrams that wait to be sent.
    private(set) var output: [ResolverDatagram] = []
    private var streams: [ResolverStream] = []

    /// - Parameter random: identifiers and ports of queries, which strangers must not guess (RFC 5452, 9.2).
    init(_ random: Randomness) { self.random = random }

    // MARK: Inputs

    /// - Parameter isPortFree: whether a local UDP port can be used.
    mutating func start(
        _ text: String, servers: [IPAddress], search: [DNSName], now: Instant, isPortFree: (UInt16) -> Bool
    ) -> QueryID {
        lastID &+= 1
        let id = QueryID(rawValue: lastID)
        if let known = Self.known(text) {
            results[id] = .success(known)
            return id
        }
        let candidates = Self.candidates(text, search)
        guard let first = candidates.first else { return refuse(id, .badName(text)) }
        guard !servers.isEmpty else { return refuse(id, .noServers) }
        guard queries.count < Self.queryLimit, let port = freePort(isPortFree) else {
            return refuse(id, .tooManyQueries(limit: Self.queryLimit))
        }
        queries[id] = Query(
            text: text, candidates: candidates, target: first, servers: servers, port: port, due: now)
        ask(id, now: now)
        return id
    }

    /// Literal addresses, and the names that never leave the node (RFC 6761, 6.3).
    private static func known(_ text: String) -> ResolvedName? {
        let address = IPAddress(text) ?? (text.lowercased() == "localhost" ? .loopback : nil)
        return address.map { ResolvedName(canonicalName: text, queriedName: text, addresses: [$0], server: nil) }
    }

    /// The names to try, in order: a name with a dot as it is before the search list, one without a dot
    /// after it; with a dot at its end only itself.
    private static func candidates(_ text: String, _ search: [DNSName]) -> [DNSName] {
        guard let name = DNSName(text) else { return [] }
        if text.utf8.last == 0x2e { return [name] }
        let extended = search.compactMap { name.appending($0) }
        return name.labels.count > 1 ? [name] + extended : extended + [name]
    }

    private mutating func freePort(_ isPortFree: (UInt16) -> Bool) -> UInt16? {
        for _ in 0..<64 {
            let port = UInt16.random(in: 49152...65535, using: &random)
            if isPortFree(port), !owns(port) { return port }
        }
        return nil
    }

    private mutating func refuse(_ id: QueryID, _ error: ResolveError) -> QueryID {
        results[id] = .failure(error)
        return id
    }

    /// Takes a datagram that came to one of our ports. While a connection is asked, only what ends the query counts.
    mutating func receive(_ bytes: UnsafeRawBufferPointer, from source: Endpoint, port: UInt16, now: Instant) {
        guard let (id, query) = queries.first(where: { $0.value.port == port }), source.port == Self.serverPort,
            let message = try? DNSMessage(bytes), Self.isAnswer(message, to: query),
            query.asked.contains(Asked(server: source.address, id: message.id))
        else { return }
        if query.isStreaming { guard message.responseCode == 0, message.leadsToAddress(query.target) else { return } }
        // Whoever was asked before may still answer; that he cannot sends nobody on.
        let isLast = query.asked.last == Asked(server: source.address, id: message.id)
        take(message, id, from: source.address, isLast: isLast, now: now)
    }

    /// Takes the answer that came in the connection made for a query.
    mutating func receive(_ bytes: UnsafeRawBufferPointer, inStreamOf id: QueryID, now: Instant) {
        guard let query = queries[id], query.isStreaming else { return }
        queries[id]?.stream = nil
        guard let message = try? DNSMessage(bytes), Self.isAnswer(message, to: query), message.id == query.stream,
            !message.isTruncated
        else { return failOver(id, .truncated(server: query.server), now: now) }
        take(message, id, from: query.server, isLast: true, now: now)
    }

    /// RFC 5452, 9.1: the question is ours, whatever the answer says; that the identifier is one that this server was
    /// sent, the caller looks at.
    private static func isAnswer(_ message: DNSMessage, to query: Query) -> Bool {
        message.isResponse && message.opcode == 0 && message.questions == [DNSQuestion(query.target, .a)]
    }

    private mutating func take(
        _ message: DNSMessage, _ id: QueryID, from server: IPAddress, isLast: Bool, now: Instant
    ) {
        switch message.responseCode {
        case 0 where message.isTruncated: askByStream(id, server, now: now)
        case 0: answer(id, message, from: server, now: now)
        case 3: nextCandidate(id, now: now)
        case let code where isLast: failOver(id, .refused(code: code, server: server), now: now)
        default: queries[id]?.asked.removeAll { $0.server == server }
        }
    }

    /// The network says that a datagram of this port could not be delivered to `remote`. Anybody can say that: the next
    /// server is asked earlier, an answer of this one still counts, and the query does not fail by it.
    mutating func pathFailed(port: UInt16, to remote: Endpoint, now: Instant) {
        guard let (id, query) = queries.first(where: { $0.value.port == port }), !query.isStreaming,
            remote == Endpoint(query.server, Self.serverPort)
        else { return }
        if query.isLastAttempt {
            queries[id]?.due = min(query.due, now + Self.lastChance)
        } else {
            failOver(id, nil, now: now)
        }
    }

    /// There is no way to the server of this port.
    mutating func unroutable(port: UInt16, now: Instant) {
        guard let id = queries.first(where: { $0.value.port == port })?.key else { return }
        failOver(id, nil, now: now)
    }

    /// The connection for a query could not be made, or ended without an answer.
    mutating func streamFailed(_ id: QueryID, now: Instant) {
        guard let query = queries[id], query.isStreaming else { return }
        failOver(id, .truncated(server: query.server), now: now)
    }

    mutating func advance(to now: Instant) {
        guard let nextDeadline, nextDeadline <= now else { return }
        // In the order of asking, so that equal seeds give equal runs.
        let due = queries.filter { $0.value.due <= now }.keys.sorted { $0.rawValue < $1.rawValue }
        for id in due { failOver(id, nil, now: now) }
    }

    mutating func cancel(_ id: QueryID) {
        queries[id] = nil
        results[id] = nil
    }

    // MARK: Outputs

    var nextDeadline: Instant? { queries.isEmpty ? nil : queries.lazy.map(\.value.due).min() }

    func owns(_ port: UInt16) -> Bool { queries.contains { $0.value.port == port } }

    mutating func nextDatagram() -> ResolverDatagram? { output.isEmpty ? nil : output.removeFirst() }

    mutating func nextStream() -> ResolverStream? { streams.isEmpty ? nil : streams.removeFirst() }

    /// The query's answer is awaited in a connection.
    func isStreaming(_ id: QueryID) -> Bool { queries[id]?.isStreaming == true }

    mutating func takeResult(_ id: QueryID) -> Result<ResolvedName, ResolveError>? {
        results.removeValue(forKey: id)
    }

    // MARK: Asking

    /// Asks the query's server, under a new identifier.
    mutating func ask(_ id: QueryID, now: Instant) {
        guard var query = queries[id] else { return }
        let number = UInt16.random(in: 0...UInt16.max, using: &random)
        query.asked.append(Asked(server: query.server, id: number))
        query.stream = nil
        let round = min(query.attempt / query.servers.count, Self.patience.count - 1)
        query.due = now + Self.patience[round]
        queries[id] = query
        let message = DNSMessage(id: number, query: DNSQuestion(query.target, .a))
        output.append(ResolverDatagram(server: query.server, port: query.port, message: message))
    }

    /// The answer of `server` was too long for a datagram. What others still send counts, too.
    private mutating func askByStream(_ id: QueryID, _ server: IPAddress, now: Instant) {
        guard var query = queries[id] else { return }
        let number = UInt16.random(in: 0...UInt16.max, using: &random)
        if let place = query.servers.firstIndex(of: server) {
            // Forward to that server: attempts never become fewer, so that no server can make them endless.
            let count = query.servers.count
            query.attempt += (place - query.attempt % count + count) % count
        }
        query.stream = number
        query.due = now + Self.streamPatience
        queries[id] = query
        let message = DNSMessage(id: number, query: DNSQuestion(query.target, .a))
        streams.append(ResolverStream(query: id, server: server, message: message))
    }

    mutating func finish(_ id: QueryID, _ result: Result<ResolvedName, ResolveError>) {
        queries[id] = nil
        results[id] = result
    }
}

extension Resolver.Query {
    /// No server is left to be asked after this one.
    var isLastAttempt: Bool { attempt + 1 >= servers.count * Resolver.patience.count }
}
