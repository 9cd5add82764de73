// netdev_add and device_add: what the command line's options do, while everything runs.

extension Emulation {
    /// `netdev_add`: answers when the back-end works or has failed; a failed one leaves nothing.
    func addNetdev(_ text: String, answer: @escaping ([String]) -> Void) throws(EmulationError) {
        let list = try read("netdev_add") { () throws(OptionError) in
            let list = try NetdevOption.list(text)
            if let id = try NetdevOption.id(list), topology.netdev(named: id) != nil {
                throw OptionError("Duplicate ID '\(id)' for netdev")
            }
            return list
        }
        let plan = try checked { () throws(OptionError) in
            try NetdevOption.plan(list, location: nil)
        }
        let client = try checked { () throws(OptionError) in
            try topology.add(plan, random: { UInt8.random(in: 0..<100) })
        }
        do throws(EmulationError) {
            guard let netdev = try makeNetdev(client, plan) else { return answer([]) }
            awaitedNetdevs[client] = answer
            netdev.start()
            settleAwaited(client)
        } catch {
            forgetNetdev(client)
            throw error
        }
    }

    /// Answers to whoever added the back-end, once that is ready or has failed.
    func settleAwaited(_ id: ClientID) {
        guard let netdev = netdevs[id], netdev.isReady || netdev.failure != nil,
            let answer = awaitedNetdevs.removeValue(forKey: id)
        else { return }
        guard let failure = netdev.failure else { return answer([]) }
        forgetNetdev(id)
        answer(failure.monitorLines)
    }

    /// `device_add`.
    func addDevice(_ text: String) throws(EmulationError) {
        let list = try read("device_add") { () throws(OptionError) in
            try KeyValueList(parsing: text, implied: "driver")
        }
        let id = try read("device_add") { () throws(OptionError) in
            try list["id"].map { id throws(OptionError) in try Value.identifier(id) }
        }
        let plan = try checked { () throws(OptionError) in
            try DeviceOption.plan(list, id: id, location: nil)
        }
        let client = try checked { () throws(OptionError) in
            try topology.add(plan, random: { 0 })
        }
        guard let client else { return }
        for warning in CardTables.device.warnings(of: list) { StandardStream.error.warn(warning) }
        do throws(EmulationError) { try makeCard(client, plan) } catch {
            topology.removeCard(client)
            throw error
        }
    }

    /// A back-end that never came up goes from the topology.
    private func forgetNetdev(_ id: ClientID) {
        endNetdev(id)
        guard let name = topology[id]?.name else { return }
        _ = try? topology.removeNetdev(name)
    }

    /// Reads a command's arguments; what cannot be read is told in QEMU's other form.
    private func read<T>(_ command: String, _ body: () throws(OptionError) -> T) throws(EmulationError) -> T {
        do throws(OptionError) { return try body() } catch {
            var failure = EmulationError(error)
            failure.command = command
            throw failure
        }
    }

    func checked<T>(_ body: () throws(OptionError) -> T) throws(EmulationError) -> T {
        do throws(OptionError) { return try body() } catch { throw EmulationError(error) }
    }

    /// `chardev-add`.
    func addChardev(_ text: String) throws(EmulationError) {
        let plan = try checked { () throws(OptionError) in try ChardevOption.plan(text, location: nil) }
        try chardevs.add(plan)
        if let reason = chardevs.start(plan.id) {
            try? chardevs.remove(plan.id)
            throw EmulationError(text: reason)
        }
    }
}
