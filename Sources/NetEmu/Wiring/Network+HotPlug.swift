// What netdev_add, device_add, set_link and their opposites do to a network that runs.

extension Network {
    /// Makes a back-end and starts it. `done` when it works, or with the reason why it never will; then nothing of it
    /// is left.
    func add(_ plan: NetdevPlan, done: @escaping (EmulationError?) -> Void) throws(EmulationError) {
        let client = try EmulationError.wrapping { () throws(OptionError) in
            try topology.add(plan, random: { 0 })
        }
        do throws(EmulationError) {
            guard let netdev = try makeNetdev(client, plan) else { return done(nil) }
            awaited[client] = done
            netdev.start()
            if netdev.isReady { awaited.removeValue(forKey: client)?(nil) }
        } catch {
            forgetNetdev(client)
            throw error
        }
    }

    /// Answers to whoever added the back-end, once that is ready or has failed.
    func settleAwaited(_ id: ClientID, _ event: NetdevEvent) {
        if case .failed(let reason) = event {
            guard let done = awaited.removeValue(forKey: id) else { return }
            forgetNetdev(id)
            return done(reason)
        }
        guard netdevs[id]?.isReady == true else { return }
        awaited.removeValue(forKey: id)?(nil)
    }

    /// A back-end that never came up goes from the topology.
    private func forgetNetdev(_ id: ClientID) {
        endNetdev(id)
        guard let name = topology[id]?.name else { return }
        _ = try? topology.removeNetdev(name)
    }

    /// Ends a back-end. A card that hangs on it stays, without a carrier, and shows what it hung on.
    func removeNetdev(_ name: String) throws(EmulationError) {
        guard topology.netdev(named: name) != nil else { throw .noDevice(name) }
        let client = try EmulationError.wrapping { () throws(OptionError) in try topology.removeNetdev(name) }
        if let card = card(of: client.id) {
            card.disconnect {}
            lastWords[client.id] = netdevs[client.id]?.info
        }
        endNetdev(client.id)
    }

    /// Makes a card and shows it to the guest.
    func add(_ plan: CardPlan) throws(EmulationError) {
        let client = try EmulationError.wrapping { () throws(OptionError) in
            try topology.add(plan, random: { 0 })
        }
        guard let client else { return }
        do throws(EmulationError) { try makeCard(client, plan) } catch {
            topology.removeCard(client)
            throw error
        }
    }

    /// Asks the guest to let go of a card; when it has, the card goes, and with it a back-end that was
    /// removed before.
    func removeCard(_ name: String) throws(EmulationError) {
        guard let client = topology.card(named: name), let card = cards[client.id] else { throw .noDevice(name) }
        guard leavingCards.insert(client.id).inserted else {
            throw EmulationError(text: "Device \(name) is already in the process of unplug")
        }
        site.guest.unplug(card.device) { [weak self] in self?.cardLeft(client.id) }
    }

    private func cardLeft(_ id: ClientID) {
        leavingCards.remove(id)
        guard let card = cards.removeValue(forKey: id) else { return }
        if let netdev = topology.removeCard(id) {
            endNetdev(netdev)
            lastWords.removeValue(forKey: netdev)
        }
        card.disconnect {}
    }

    /// Pulls a cable or plugs it in: of a card, of the card that hangs on a back-end, or of a back-end without one.
    func setLink(_ name: String, isUp: Bool) throws(EmulationError) {
        guard let client = topology.client(named: name) else { throw .noDevice(name) }
        if let card = cards[client.id] { return card.setLink(card: isUp) }
        if let card = card(of: client.id) { return card.setLink(peer: isUp) }
        if isUp { unplugged.remove(client.id) } else { unplugged.insert(client.id) }
        updateLink(of: client.id)
    }
}
