// The stub resolver (RFC 1035, 7; RFC 1123, 6.1.3) as a machine: names in, datagrams out, datagrams
// in, results out. Search list, several servers with fail-over, aliases, no cache. It knows neither
// sockets nor interfaces; a query is known by the local port of its datagrams.

import Bytes

/// A query as it must leave: from `port` of this node to port 53 of `server`.
struct ResolverDatagram: Equatable {
    var server: IPAddress
    var port: UInt16
    var message: DNSMessage
}

struct Resolver {
    static let serverPort: UInt16 = 53
    static let queryLimit = 64
    /// How long a server is waited for, by the round of asking all of them.
    static let patience: [Interval] = [.seconds(1), .seconds(2), .seconds(4)]
    /// Aliases followed before a name counts as leading nowhere.
    static let aliasLimit = 8

    /// A resolution under way.
    private struct Query {
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
        var id: UInt16
        var port: UInt16
        var due: Instant
        /// The worst that a server said, shown when none does better.
        var refusal: ResolveError?
        /// A name of the list existed, without an address.
        var sawName = false

        var server: IPAddress { servers[attempt % servers.count] }
    }

    private var random: Randomness
    private var queries: [QueryID: Query] = [:]
    private var results: [QueryID: Result<ResolvedName, ResolveError>] = [:]
    private var lastID: UInt32 = 0
    /// Datagrams that wait to be sent.
    private(set) var output: [ResolverDatagram] = []

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
            text: text, candidates: candidates, target: first, servers: servers, id: 0, port: port, due: now)
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

    /// Takes a datagram that came to one of our ports.
    mutating func receive(_ bytes: UnsafeRawBufferPointer, from source: Endpoint, port: UInt16, now: Instant) {
        guard let (id, query) = queries.first(where: { $0.value.port == port }),
            source == Endpoint(query.server, Self.serverPort), let message = try? DNSMessage(bytes),
            message.isResponse, message.id == query.id, message.opcode == 0,
            // RFC 5452, 9.1: the question is ours, whatever the answer says.
            message.questions == [DNSQuestion(query.target, .a)]
        else { return }
        switch message.responseCode {
        case 0 where message.isTruncated: failOver(id, .truncated(server: query.server), now: now)
        case 0: answer(id, message, now: now)
        case 3: nextCandidate(id, now: now)
        case let code: failOver(id, .refused(code: code, server: query.server), now: now)
        }
    }

    /// The network says that the server of this port cannot be reached.
    mutating func pathFailed(port: UInt16, now: Instant) {
        guard let id = queries.first(where: { $0.value.port == port })?.key else { return }
        failOver(id, nil, now: now)
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

    mutating func takeResult(_ id: QueryID) -> Result<ResolvedName, ResolveError>? {
        results.removeValue(forKey: id)
    }

    // MARK: Moves

    private mutating func ask(_ id: QueryID, now: Instant) {
        guard var query = queries[id] else { return }
        query.id = UInt16.random(in: 0...UInt16.max, using: &random)
        let round = min(query.attempt / query.servers.count, Self.patience.count - 1)
        query.due = now + Self.patience[round]
        queries[id] = query
        let message = DNSMessage(id: query.id, query: DNSQuestion(query.target, .a))
        output.append(ResolverDatagram(server: query.server, port: query.port, message: message))
    }

    /// The next server, or the next round; after the last the query has failed.
    private mutating func failOver(_ id: QueryID, _ refusal: ResolveError?, now: Instant) {
        guard var query = queries[id] else { return }
        query.refusal = refusal ?? query.refusal
        query.attempt += 1
        let isLast = query.attempt >= query.servers.count * Self.patience.count
        // Servers that refuse will refuse again: one round is enough when all of them did.
        let areAllRefusing = refusal != nil && query.attempt % query.servers.count == 0
        queries[id] = query
        if isLast || areAllRefusing {
            finish(id, .failure(query.refusal ?? .timedOut(query.text)))
        } else {
            ask(id, now: now)
        }
    }

    /// The current name does not exist, or has no address: on to the next one of the search list.
    private mutating func nextCandidate(_ id: QueryID, now: Instant) {
        guard var query = queries[id] else { return }
        query.candidates.removeFirst()
        guard let next = query.candidates.first else {
            finish(id, .failure(query.sawName ? .noAddress(query.text) : .notFound(query.text)))
            return
        }
        query.target = next
        query.aliases = 0
        query.attempt = 0
        queries[id] = query
        ask(id, now: now)
    }

    /// Follows the aliases in the answer to addresses; asks again when they lead out of it.
    private mutating func answer(_ id: QueryID, _ message: DNSMessage, now: Instant) {
        guard var query = queries[id] else { return }
        var name = query.target
        while true {
            let addresses = message.addresses(of: name)
            if !addresses.isEmpty {
                let found = ResolvedName(
                    canonicalName: name.description, queriedName: query.candidates[0].description,
                    addresses: addresses, server: query.server)
                finish(id, .success(found))
                return
            }
            guard let alias = message.alias(of: name) else { break }
            query.aliases += 1
            guard query.aliases <= Self.aliasLimit else {
                finish(id, .failure(.aliasLoop(query.text)))
                return
            }
            name = alias
        }
        query.sawName = true
        if name == query.target {
            queries[id] = query
            nextCandidate(id, now: now)
        } else {
            query.target = name
            query.attempt = 0
            queries[id] = query
            ask(id, now: now)
        }
    }

    private mutating func finish(_ id: QueryID, _ result: Result<ResolvedName, ResolveError>) {
        queries[id] = nil
        results[id] = result
    }
}

extension DNSMessage {
    fileprivate func addresses(of name: DNSName) -> [IPAddress] {
        answers.compactMap { record in
            guard case .address(let address) = record.value, record.name == name else { return nil }
            return IPAddress(address)
        }
    }

    fileprivate func alias(of name: DNSName) -> DNSName? {
        for record in answers where record.name == name {
            if case .alias(let alias) = record.value { return alias }
        }
        return nil
    }
}
