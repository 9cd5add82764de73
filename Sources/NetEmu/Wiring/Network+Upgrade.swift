// A passt of ours is replaced by another program: which back-ends that can be done with, and who holds still meanwhile.

import PasstLauncher

extension Network {
    /// A back-end whose passt can be replaced.
    struct Upgradable {
        let id: ClientID
        let netdev: PasstNetdev
    }

    /// - Throws: why the back-end of this name is none.
    func upgradable(_ name: String) throws(EmulationError) -> Upgradable {
        guard let client = topology.netdev(named: name) else { throw .noDevice(name) }
        guard let netdev = netdevs[client.id] as? PasstNetdev, netdev.canMove else {
            throw EmulationError(
                text: "\(name) is no passt of netemu's own over vhost-user, which alone can hand connections over",
                hints: ["What can be upgraded: -netdev passt,vhost-user=on"])
        }
        return Upgradable(id: client.id, netdev: netdev)
    }

    /// The program that a monitor names; nil: the one that runs, as its file is now.
    func passt(_ path: String?, for target: Upgradable) throws(EmulationError) -> PasstProgram {
        let program: PasstProgram
        do throws(PasstError) { program = try PasstProgram(path ?? target.netdev.supervisor.program.name) } catch {
            throw EmulationError(location: nil, sentence: "\(error)")
        }
        try site.programs.check(program)
        return program
    }

    func upgrade(
        _ target: Upgradable, to next: PasstProgram,
        _ done: @escaping (Result<ConnectionReport, EmulationError>) -> Void
    ) {
        target.netdev.upgrade(
            to: next, guestHas: site.guest.connectionCount, holding: { [self] in hold(target.id, $0) },
            { [self] result in
                release(target.id)
                done(result)
            })
    }

    /// What works with a back-end moves nothing until `release`; `done` when that is so.
    private func hold(_ id: ClientID, _ done: @escaping () -> Void) {
        held = id
        if let driver = drivers[id] { return driver.hold(done) }
        guard let card = card(of: id) else { return done() }
        card.device.suspend(done)
    }

    private func release(_ id: ClientID) {
        guard held == id else { return }
        held = nil
        drivers[id]?.release()
        if !isSuspended { card(of: id)?.device.resume() }
    }
}
