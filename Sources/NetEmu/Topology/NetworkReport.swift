// What `info network` says, as a value, and QEMU's lines for it. Made from the topology; what a back-end says of
// itself comes from whoever runs it.

/// The clients of a network and how they hang together, in the order in which they are shown.
struct NetworkReport: Sendable {
    struct Client: Sendable {
        let name: String
        /// `nic`, `hubport`, or the kind of back-end.
        let type: String
        /// Its own words.
        let info: String
        /// Captures that hang on it.
        let filters: [FilterPlan]
    }

    struct Port: Sendable {
        let name: String
        /// What hangs on it.
        let client: Client?
    }

    struct HubPorts: Sendable {
        let number: Int32
        let ports: [Port]
    }

    /// A card with its back-end, or a client that hangs on nothing.
    struct Entry: Sendable {
        let client: Client
        let peer: Client?
    }

    var hubs: [HubPorts] = []
    var entries: [Entry] = []

    var lines: [String] {
        hubs.flatMap { hub in ["hub \(hub.number)"] + hub.ports.flatMap(\.lines) }
            + entries.flatMap { $0.client.lines() + ($0.peer?.lines(behind: " \\ ") ?? []) }
    }
}

extension NetworkReport.Port {
    fileprivate var lines: [String] { client?.lines(behind: " \\ \(name): ") ?? [" \\ \(name)"] }
}

extension NetworkReport.Client {
    fileprivate func lines(behind prefix: String = "") -> [String] {
        let own = "\(prefix)\(name): index=0,type=\(type),\(info)"
        return filters.isEmpty ? [own] : [own, "filters:"] + filters.map(\.line)
    }
}

extension Topology {
    /// - Parameters:
    ///   - info: a back-end's own words (`net=10.0.2.0,…`, `listening`).
    ///   - filters: the captures that hang on a back-end.
    func report(
        info: (NetClient) -> String, filters: (NetClient) -> [FilterPlan] = { _ in [] }
    ) -> NetworkReport {
        func client(_ id: ClientID?) -> NetworkReport.Client? {
            guard let found = id.flatMap({ self[$0] }) else { return nil }
            return NetworkReport.Client(
                name: found.name, type: found.typeName, info: found.isCard ? found.cardInfo : info(found),
                filters: filters(found))
        }
        var report = NetworkReport()
        report.hubs = hubs.map { hub in
            let ports = hub.ports.compactMap { self[$0] }
            return NetworkReport.HubPorts(
                number: hub.id, ports: ports.map { NetworkReport.Port(name: $0.name, client: client($0.peer)) })
        }
        for one in clients where !isOnHub(one) && !one.isDeleted {
            guard one.isCard || one.peer == nil, let shown = client(one.id) else { continue }
            report.entries.append(NetworkReport.Entry(client: shown, peer: client(one.peer)))
        }
        return report
    }

    /// A port of a hub, or something that hangs on one; those stand with their hub.
    func isOnHub(_ id: ClientID) -> Bool { self[id].map(isOnHub) ?? false }

    private func isOnHub(_ client: NetClient) -> Bool {
        if client.hub != nil { return true }
        return client.peer.flatMap { self[$0] }?.hub != nil
    }
}
