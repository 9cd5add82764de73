// Queries under way and results that nobody has taken, on their way to another process. Whoever drives the resolver sends
// what it has to ask at once: questions that have not left are not written down, their queries ask again when their time
// is over. There is no cache.

import Bytes

extension Resolver {
    private struct Running: StateCoded {
        var id: QueryID
        var query: Query
        static var blank: Running {
            let query = Query(
                text: "", candidates: [], target: .blank, servers: [], port: 0, due: Instant(nanoseconds: 0))
            return Running(id: .blank, query: query)
        }

        mutating func code(_ coder: inout StateCoder) throws(StateError) {
            try id.code(&coder)
            try query.code(&coder)
        }
    }

    private struct Finished: StateCoded {
        var id: QueryID
        var result: Result<ResolvedName, ResolveError>
        static var blank: Finished { Finished(id: .blank, result: .failure(.noServers)) }

        mutating func code(_ coder: inout StateCoder) throws(StateError) {
            try id.code(&coder)
            var (found, error): (ResolvedName?, ResolveError?) = (nil, nil)
            switch result {
            case .success(let name): found = name
            case .failure(let reason): error = reason
            }
            try coder.optional(&found)
            if found == nil, error == nil { error = .noServers }
            if var reason = error, found == nil {
                try reason.code(&coder)
                result = .failure(reason)
            }
            if let found { result = .success(found) }
        }
    }

    /// Queries in the order of asking, then results.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try random.code(&coder)
        try coder.integer(&lastID)
        var running = queries.map { Running(id: $0.key, query: $0.value) }
        running.sort { $0.id.rawValue < $1.id.rawValue }
        try coder.list(&running, limit: Self.queryLimit, "number of queries")
        var finished = results.map { Finished(id: $0.key, result: $0.value) }
        finished.sort { $0.id.rawValue < $1.id.rawValue }
        try coder.list(&finished, limit: 1 << 16, "number of answers")
        guard coder.isReading else { return }
        (queries, results) = ([:], [:])
        for one in running {
            guard queries.updateValue(one.query, forKey: one.id) == nil else { throw .impossible("a query") }
        }
        for one in finished {
            guard results.updateValue(one.result, forKey: one.id) == nil, queries[one.id] == nil else {
                throw .impossible("an answer")
            }
        }
    }
}

extension Resolver.Query {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&text, limit: 1 << 16, "name of a query")
        try coder.list(&candidates, limit: 2048, "names of a query")
        try target.code(&coder)
        try coder.count(&aliases, in: 0...Resolver.aliasLimit, "aliases of a query")
        try coder.list(&servers, limit: 4096, "servers of a query")
        try coder.require(!candidates.isEmpty && !servers.isEmpty, "a query")
        try coder.count(&attempt, in: 0...servers.count * (Resolver.patience.count + 1), "attempts of a query")
        try coder.list(&asked, limit: 1 << 16, "questions of a query")
        var (isStreaming, number) = (isStreaming, stream ?? 0)
        try coder.flag(&isStreaming)
        try coder.integer(&number)
        stream = isStreaming ? number : nil
        try coder.integer(&port)
        try coder.instant(&due)
        try coder.optional(&refusal)
        try coder.flag(&sawName)
    }
}

extension Resolver.Asked: StateCoded {
    static var blank: Resolver.Asked { Resolver.Asked(server: .any, id: 0) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try server.code(&coder)
        try coder.integer(&id)
    }
}

extension ResolvedName: StateCoded {
    /// Nobody's.
    public static var blank: ResolvedName {
        ResolvedName(canonicalName: "", queriedName: "", addresses: [], server: nil)
    }

    /// Both names, the addresses, who said so.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.text(&canonicalName, limit: 1 << 16, "name of an answer")
        try coder.text(&queriedName, limit: 1 << 16, "name of an answer")
        try coder.list(&addresses, limit: 1 << 16, "addresses of an answer")
        try coder.require(!addresses.isEmpty, "addresses of an answer")
        try coder.optional(&server)
    }
}

extension ResolveError: StateCoded {
    /// No name servers.
    public static var blank: ResolveError { .noServers }
    /// A byte that says which, a name, a server, a code, a limit.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, name, server, number): (UInt8, String, IPAddress, Int) = (0, "", .any, 0)
        switch self {
        case .noServers: kind = 0
        case .badName(let text): (kind, name) = (1, text)
        case .notFound(let text): (kind, name) = (2, text)
        case .noAddress(let text): (kind, name) = (3, text)
        case .timedOut(let text): (kind, name) = (4, text)
        case .refused(let code, let who): (kind, number, server) = (5, Int(code), who)
        case .truncated(let who): (kind, server) = (6, who)
        case .aliasLoop(let text): (kind, name) = (7, text)
        case .tooManyQueries(let limit): (kind, number) = (8, limit)
        }
        try coder.integer(&kind)
        try coder.text(&name, limit: 1 << 16, "name of a query")
        try server.code(&coder)
        try coder.count(&number, in: 0...Int(Int32.max), "code of an answer")
        switch kind {
        case 0: self = .noServers
        case 1: self = .badName(name)
        case 2: self = .notFound(name)
        case 3: self = .noAddress(name)
        case 4: self = .timedOut(name)
        case 5: self = .refused(code: UInt8(truncatingIfNeeded: number), server: server)
        case 6: self = .truncated(server: server)
        case 7: self = .aliasLoop(name)
        case 8: self = .tooManyQueries(limit: number)
        default: throw .impossible("error of a query")
        }
    }
}

extension NameStream: StateCoded {
    static var blank: NameStream { NameStream(query: .blank, socket: .blank, unsent: []) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (id, connection, rest) = (query, socket, Array(unsent))
        try id.code(&coder)
        try connection.code(&coder)
        try coder.data(&rest, limit: 2 + DNSMessage.maximumSize)
        try coder.data(&received, limit: Host.answerLimit)
        if coder.isReading { self = NameStream(query: id, socket: connection, unsent: rest[...], received: received) }
    }
}
