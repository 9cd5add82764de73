// The monitors: who sits at which character device. They come with the command line, and with object_add; those of an
// object go with it. What is typed is MonitorSession's.

import Glibc
import Linux

/// The monitors of a netemu.
final class MonitorTable {
    private struct Entry {
        let plan: MonitorPlan
        let device: any CharacterDevice
        let isShared: Bool
        let user: MonitorUser
    }

    private let machine: Machine
    private let reactor: Reactor
    private let prompt = getenv("NETEMU_PROMPT").map { String(systemText: $0) } ?? "(netemu) "
    private var entries: [Entry] = []

    /// - Parameter machine: what commands work on.
    init(of machine: Machine, on reactor: Reactor) {
        self.machine = machine
        self.reactor = reactor
    }

    /// Ids of the objects that are monitors.
    var objects: [String] { entries.compactMap(\.plan.id) }

    /// Puts a monitor on a character device; whoever is there already is greeted.
    func add(_ plan: MonitorPlan) throws(EmulationError) {
        let (device, isShared) = try machine.chardevs.take(plan.chardev)
        let session = MonitorSession(target: machine, prompt: prompt)
        let user = MonitorUser(session, device, isShared: isShared) { [unowned reactor] action in
            reactor.schedule(atNanoseconds: reactor.nowNanoseconds, action)
        }
        user.onLoss = { [unowned life = machine.life] in life.outputLost($0) }
        device.user = user
        entries.append(Entry(plan: plan, device: device, isShared: isShared, user: user))
        if device.isOpen { user.opened() }
    }

    /// Takes the monitor of an object away; its device stays, for another. False when there is none.
    func remove(_ id: String) throws(EmulationError) -> Bool {
        guard let index = entries.firstIndex(where: { $0.plan.id == id }) else { return false }
        let entry = entries[index]
        guard !entry.isShared else {
            throw EmulationError(text: "object '\(id)' shares chardev '\(entry.plan.chardev)', can not be deleted")
        }
        entries.remove(at: index)
        entry.device.user = nil
        machine.chardevs.giveBack(entry.plan.chardev)
        return true
    }
}
