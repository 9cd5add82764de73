// What the monitor shows of a running netemu, and what it changes. Each command answers with lines; those
// that change something answer with none when it went well.

extension Emulation: MonitorTarget {
    public func execute(_ call: MonitorCall, answer: @escaping ([String]) -> Void) {
        do throws(EmulationError) {
            if let help = help(for: call) { return answer(help) }
            if call.word == .netdevAdd { return try addNetdev(call.arguments.first ?? "", answer: answer) }
            if call.word == .stop { return pauseGuest { answer([]) } }
            answer(try perform(call))
        } catch {
            answer(error.monitorLines)
        }
    }

    /// What `help` among the arguments asks for.
    private func help(for call: MonitorCall) -> [String]? {
        let lists: [MonitorWord: ListGrammar] = [
            .netdevAdd: NetworkLists.netdev, .deviceAdd: DeviceOption.grammar, .chardevAdd: ChardevOption.grammar,
            .objectAdd: ObjectOption.grammar,
        ]
        guard let help = lists[call.word]?.help(call.arguments.first ?? "") else { return nil }
        return help.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private func perform(_ call: MonitorCall) throws(EmulationError) -> [String] {
        let first = call.arguments.first ?? ""
        switch call.word {
        case .infoChardev: return chardevs.lines
        case .infoName: return configuration.name.map { [$0] } ?? []
        case .infoNetwork: return networkLines
        case .infoStats: return try statistics(of: call.arguments.first)
        case .infoStatus: return ["VM status: \(runState.rawValue)"]
        case .infoVersion: return [Version.text]
        case .setLink: try setLink(first, isUp: call.arguments.last == "on")
        case .cont: resumeGuest()
        case .systemReset: resetGuest()
        case .quit: end(status: 0)
        case .netdevDel: try removeNetdev(first)
        case .deviceDel: try removeDevice(first)
        case .chardevAdd: try addChardev(first)
        case .chardevRemove: try chardevs.remove(first)
        case .objectAdd: try addObject(first)
        case .objectDel: try removeObject(first)
        case .deviceAdd: try addDevice(first)
        case .netdevAdd, .stop, .help, .info: break
        }
        return []
    }

    public func candidates(for kind: MonitorParameter.Names) -> [String] {
        switch kind {
        case .nothing: []
        case .clients: topology.names
        case .netdevs: topology.clients.filter { $0.isNetdev && !$0.isDeleted }.map(\.name)
        case .devices: topology.clients.filter(\.isCard).map(\.name)
        case .chardevs: chardevs.ids
        case .objects: filters.map(\.plan.id)
        case .chardevTypes: ChardevOption.kinds.map(\.word)
        case .objectTypes: ["filter-dump"]
        case .netdevTypes: NetdevKinds.names
        case .drivers: CardTables.virtioModels.keys.sorted()
        }
    }

    private var networkLines: [String] {
        topology.networkLines(info: { self.netdevs[$0.id]?.info ?? "" }, filters: filterLines)
    }

    private func setLink(_ name: String, isUp: Bool) throws(EmulationError) {
        guard let client = topology.client(named: name) else {
            throw EmulationError(text: "Device '\(name)' not found")
        }
        if let card = cards[client.id] { return card.setLink(card: isUp) }
        if let card = card(of: client.id) { return card.setLink(peer: isUp) }
        if isUp { unplugged.remove(client.id) } else { unplugged.insert(client.id) }
        updateLink(of: client.id)
    }

    private func removeNetdev(_ name: String) throws(EmulationError) {
        do throws(OptionError) {
            let client = try topology.removeNetdev(name)
            if let card = card(of: client.id) { card.disconnect {} }
            endNetdev(client.id)
        } catch { throw EmulationError(error) }
    }

    private func removeDevice(_ name: String) throws(EmulationError) {
        guard let client = topology.card(named: name), let card = cards[client.id] else {
            throw EmulationError(text: "Device '\(name)' not found")
        }
        guard leavingCards.insert(client.id).inserted else {
            throw EmulationError(text: "Device \(name) is already in the process of unplug")
        }
        guest.unplug(card.device) { [weak self] in self?.removeCard(client.id) }
    }
}
