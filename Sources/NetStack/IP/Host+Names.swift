// Names: the resolver (Services/Resolver.swift) joined to UDP and to the servers that leases brought.

import Bytes

extension Host {
    /// Starts to look up the IPv4 addresses of `name`: literal, `localhost`, or by DNS with the search
    /// list; `server` overrides the servers learnt by DHCP.
    public func resolve(_ name: String, server: IPAddress? = nil, now: Instant) -> QueryID {
        var servers: [IPAddress] = []
        var search: [DNSName] = []
        for interface in attached {
            for server in interface.knownNameServers
            where !servers.contains(server) { servers.append(server) }
            for domain in interface.lease?.searchList ?? [] where !search.contains(domain) { search.append(domain) }
        }
        if let server { servers = [server] }
        let sockets = udp
        let id = resolver.start(name, servers: servers, search: search, now: now) { !sockets.isInUse($0) }
        sendQueries(now)
        return id
    }

    /// The result, once; `nil` while the query is under way (or was taken or cancelled).
    public func takeResolution(_ id: QueryID) -> Result<ResolvedName, ResolveError>? { resolver.takeResult(id) }

    /// The answer is of no interest any more. An unknown query is ignored.
    public func cancelResolve(_ id: QueryID) {
        resolver.cancel(id)
        dropNameStreams(lastNow)
    }

    /// Sends what the resolver has to ask. A server without a route fails at once and the next is
    /// asked; every failure uses up one of the query's attempts, so this ends.
    func sendQueries(_ now: Instant) {
        // A connection that cannot be made asks the next server, by a datagram again.
        repeat {
            sendDatagrams(now)
            startNameStreams(now)
        } while !resolver.output.isEmpty
    }

    private func sendDatagrams(_ now: Instant) {
        while let query = resolver.nextDatagram() {
            let bytes = [UInt8](unsafeUninitializedCapacity: DNSMessage.maximumSize) { buffer, count in
                var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
                count = (try? query.message.write(to: &writer)) == nil ? 0 : writer.offset
            }
            let remote = Endpoint(query.server, Resolver.serverPort)
            do throws(HostError) {
                try bytes.withDatagram { bytes throws(HostError) in
                    try sendDatagram(bytes, from: Endpoint(.any, query.port), to: remote, now: now)
                }
            } catch {
                if case .noRoute = error { resolver.unroutable(port: query.port, now: now) }
            }
        }
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error.
    fileprivate func withDatagram(_ body: (UnsafeRawBufferPointer) throws(HostError) -> Void) throws(HostError) {
        try withUnsafeBytes { bytes -> Result<Void, HostError> in
            do throws(HostError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }.get()
    }
}
