// The character devices by id: made from plans, given to users, shown by `info chardev`.

import Linux

/// What is shown of a character device.
struct ChardevReport: Equatable, Sendable {
    let id: String
    /// QEMU's word for what it is and who is there.
    let filename: String
}

/// The character devices of a netemu.
final class ChardevTable {
    /// A device with its id and what uses it.
    private final class Entry {
        let plan: ChardevPlan
        let device: any CharacterDevice
        let multiplexed: MultiplexedDevice?
        var isTaken = false

        init(_ plan: ChardevPlan, _ device: any CharacterDevice) {
            self.plan = plan
            self.device = device
            multiplexed = plan.isMultiplexed ? MultiplexedDevice(device) : nil
        }
    }

    private let reactor: Reactor
    private var entries: [Entry] = []
    /// Ctrl-A x on one of them.
    var onExit: (() -> Void)?
    /// A device that the start waits for has its first client.
    var onChange: (() -> Void)?

    init(on reactor: Reactor) { self.reactor = reactor }

    var ids: [String] { entries.map(\.plan.id) }

    /// What is shown of them, in order of creation.
    var reports: [ChardevReport] { entries.map { ChardevReport(id: $0.plan.id, filename: $0.device.filename) } }

    /// Makes the device; it is not started.
    func add(_ plan: ChardevPlan) throws(EmulationError) {
        guard entry(plan.id) == nil else {
            throw EmulationError(location: plan.location, text: "Duplicate ID '\(plan.id)' for chardev")
        }
        let entry = Entry(plan, try makeDevice(plan))
        entry.multiplexed?.onExit = { [weak self] in self?.onExit?() }
        entries.append(entry)
    }

    private func makeDevice(_ plan: ChardevPlan) throws(EmulationError) -> any CharacterDevice {
        switch plan.kind {
        case .null: return NullDevice()
        case .stdio(let takesSignals): return StandardDevice(takesSignals: takesSignals, on: reactor)
        case .socket(let socket):
            let device = SocketDevice(socket, on: reactor)
            device.onChange = { [weak self] in self?.onChange?() }
            return device
        }
    }

    /// Listens and connects: what others may depend on.
    func startSockets() { for entry in entries where entry.device is SocketDevice { entry.device.start() } }

    /// Starts every other device: from here on users hear of what is typed.
    func start() { for entry in entries where !(entry.device is SocketDevice) { entry.device.start() } }

    /// Starts one that was added later; why that failed.
    func start(_ id: String) -> String? {
        guard let device = entry(id)?.device else { return nil }
        device.start()
        return (device as? SocketDevice)?.failure
    }

    func stop() { for entry in entries { entry.device.stop() } }

    /// The device called `id`, for one user; a shared one has a place for each.
    /// - Throws: when there is none, or it is taken.
    func take(_ id: String) throws(EmulationError) -> (device: any CharacterDevice, isShared: Bool) {
        guard let entry = entry(id) else { throw EmulationError(text: "chardev \"\(id)\" not found") }
        if let shared = entry.multiplexed {
            entry.isTaken = true
            return (shared.addSeat(), true)
        }
        guard !entry.isTaken else { throw EmulationError(text: "chardev \"\(id)\" is already in use") }
        entry.isTaken = true
        return (entry.device, false)
    }

    /// The socket called `id`, for a back-end that takes its connections as they are.
    func takeSocket(_ id: String, for kind: any NetdevKind) throws(EmulationError) -> SocketDevice {
        guard let entry = entry(id) else { throw EmulationError(text: "chardev \"\(id)\" not found") }
        if let objection = kind.objection(to: entry.plan) { throw EmulationError(text: objection) }
        guard let socket = entry.device as? SocketDevice else {
            throw EmulationError(text: "chardev \"\(id)\" is not reconnectable")
        }
        guard !entry.isTaken else { throw EmulationError(text: "chardev \"\(id)\" is already in use") }
        entry.isTaken = true
        return socket
    }

    /// The user of `id` has gone.
    func giveBack(_ id: String) { entry(id)?.isTaken = false }

    /// Why a device that the start waits for will never be there.
    var failure: EmulationError? {
        for entry in entries {
            if let text = (entry.device as? SocketDevice)?.failure {
                return EmulationError(location: entry.plan.location, text: text)
            }
        }
        return nil
    }

    /// Ends and forgets a device that nobody uses.
    func remove(_ id: String) throws(EmulationError) {
        guard let entry = entry(id) else { throw EmulationError(text: "Chardev '\(id)' not found") }
        guard !entry.isTaken else { throw EmulationError(text: "Chardev '\(id)' is busy") }
        entry.device.stop()
        entries.removeAll { $0 === entry }
    }

    /// The servers that the start waits for, while their first client is not there.
    var awaited: [String] {
        entries.compactMap { ($0.device as? SocketDevice)?.isAwaited == true ? $0.device.filename : nil }
    }

    /// stdin and stdout, when a device has them.
    var standard: StandardDevice? { entries.lazy.compactMap { $0.device as? StandardDevice }.first }

    private func entry(_ id: String) -> Entry? { entries.first { $0.plan.id == id } }
}
