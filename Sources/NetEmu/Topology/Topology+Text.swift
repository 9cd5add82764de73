// What `info network` shows of the topology, and what is said of it when everything has been made:
// QEMU's lines, in QEMU's order.

extension Topology {
    /// The lines of `info network`, without line ends.
    /// - Parameters:
    ///   - info: a back-end's own words (`net=10.0.2.0,…`, `listening`).
    ///   - filters: the lines of the filters that hang on a back-end.
    func networkLines(info: (NetClient) -> String, filters: (NetClient) -> [String] = { _ in [] }) -> [String] {
        var lines: [String] = []
        func show(_ client: NetClient, behind prefix: String) {
            lines.append(prefix + client.line(client.isCard ? client.cardInfo : info(client)))
            let own = filters(client)
            if !own.isEmpty { lines += ["filters:"] + own }
        }
        for hub in hubs {
            lines.append("hub \(hub.id)")
            for port in hub.ports.compactMap({ self[$0] }) {
                guard let peer = port.peer.flatMap({ self[$0] }) else {
                    lines.append(" \\ \(port.name)")
                    continue
                }
                show(peer, behind: " \\ \(port.name): ")
            }
        }
        for client in clients where !isOnHub(client) && !client.isDeleted {
            let peer = client.peer.flatMap { self[$0] }
            if peer == nil || client.isCard { show(client, behind: "") }
            if let peer, client.isCard { show(peer, behind: " \\ ") }
        }
        return lines
    }

    /// A port of a hub, or something that hangs on one; those stand with their hub.
    private func isOnHub(_ client: NetClient) -> Bool {
        if client.hub != nil { return true }
        guard let peer = client.peer.flatMap({ self[$0] }), !peer.isDeleted else { return false }
        return peer.hub != nil
    }

    /// What is said once everything has been made.
    var warnings: [String] {
        var said = hubs.flatMap { warnings(of: $0) }
        for client in clients where client.peer == nil && !client.isDeleted {
            said.append("\(client.isCard ? "nic" : "netdev") \(client.name) has no peer")
        }
        return said + missingCards.map { "requested NIC (\($0)) was not created (not supported by this machine?)" }
    }

    private func warnings(of hub: HubEntry) -> [String] {
        var said: [String] = []
        var hasCard = false
        var hasNetdev = false
        for port in hub.ports.compactMap({ self[$0] }) {
            guard let peer = port.peer.flatMap({ self[$0] }) else {
                said.append("hub port \(port.name) has no peer")
                continue
            }
            switch peer.kind {
            case .card: hasCard = true
            case .netdev: hasNetdev = true
            case .hubPort: break
            }
        }
        if hasNetdev, !hasCard { said.append("hub \(hub.id) with no nics") }
        if hasCard, !hasNetdev { said.append("hub \(hub.id) is not connected to host network") }
        return said
    }
}
