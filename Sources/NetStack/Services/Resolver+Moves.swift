// What an answer, or none, leads to: the next server, the next name of the search list, the next name of a chain of
// aliases, the end.

import Bytes

extension Resolver {
    /// The next server, or the next round; after the last the query has failed. One that cannot answer is awaited no more.
    mutating func failOver(_ id: QueryID, _ refusal: ResolveError?, now: Instant) {
        guard var query = queries[id] else { return }
        query.refusal = refusal ?? query.refusal
        let server = query.server
        if refusal != nil { query.asked.removeAll { $0.server == server } }
        let isLast = query.isLastAttempt
        query.attempt += 1
        // Servers that refuse will refuse again: one round is enough when all of them did. One that is slow may still answer.
        let areAllRefusing = refusal != nil && query.asked.isEmpty && query.attempt >= query.servers.count
        queries[id] = query
        if isLast || areAllRefusing {
            finish(id, .failure(query.refusal ?? .timedOut(query.text)))
        } else {
            ask(id, now: now)
        }
    }

    /// The current name does not exist, or has no address: on to the next one of the search list.
    mutating func nextCandidate(_ id: QueryID, now: Instant) {
        guard var query = queries[id] else { return }
        query.candidates.removeFirst()
        guard let next = query.candidates.first else {
            finish(id, .failure(query.sawName ? .noAddress(query.text) : .notFound(query.text)))
            return
        }
        query.target = next
        query.aliases = 0
        query.attempt = 0
        query.asked = []
        queries[id] = query
        ask(id, now: now)
    }

    /// Follows the aliases in the answer to addresses; asks again when they lead out of it.
    mutating func answer(_ id: QueryID, _ message: DNSMessage, from server: IPAddress, now: Instant) {
        guard var query = queries[id] else { return }
        var name = query.target
        while true {
            let addresses = message.addresses(of: name)
            if !addresses.isEmpty {
                let found = ResolvedName(
                    canonicalName: name.description, queriedName: query.candidates[0].description,
                    addresses: addresses, server: server)
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
            query.asked = []
            queries[id] = query
            ask(id, now: now)
        }
    }
}

extension DNSMessage {
    /// A whole answer, in which aliases lead from `name` to an address.
    func leadsToAddress(_ name: DNSName) -> Bool {
        var name = name
        for _ in 0...Resolver.aliasLimit where !isTruncated {
            if !addresses(of: name).isEmpty { return true }
            guard let alias = alias(of: name) else { return false }
            name = alias
        }
        return false
    }

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
