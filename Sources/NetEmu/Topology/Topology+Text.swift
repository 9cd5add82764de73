// What is said of the topology when everything has been made, in QEMU's words.

extension Topology {
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
