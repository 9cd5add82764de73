// The character devices by id: made from plans, given to users, shown by `info chardev`.

import Linux

/// What is shown of a character device.
struct ChardevReport: Equatable, Sendable {
    let id: String
    /// QEMU's word for what it is and who is there.
    let filename: String
}

/// What became of a device that the start may wait for.
enum ChardevEvent: Equatable {
    /// Somebody is at the far end, or an attempt failed that is made again.
    case cameFurther(id: String)
    /// Nobody ever will be.
    case failed(EmulationError)
}

/// The character devices of a netemu.
final class ChardevTable {
    /// A device with its id and what uses it.
    private final class Entry {
        /// What is shared is called ID, the device below it ID-base.
        static let base = "-base"
        let plan: ChardevPlan
        let device: any CharacterDevice
        /// The same device, where it is a socket, or stdin and stdout.
        private(set) var socket: SocketDevice?
        private(set) var standard: StandardDevice?
        private(set) var multiplexed: MultiplexedDevice?
        var isTaken = false
        /// Told how the start came out; nil when nobody waits for that.
        var onSettled: ((String?) -> Void)?

        init(_ plan: ChardevPlan, on reactor: Reactor, _ voice: Voice) {
            self.plan = plan
            switch plan.kind {
            case .null: device = NullDevice()
            case .stdio(let takesSignals):
                let standard = StandardDevice(takesSignals: takesSignals, on: reactor)
                (device, self.standard) = (standard, standard)
            case .socket(let address):
                let socket = SocketDevice(plan.id, address, on: reactor, voice)
                (device, self.socket) = (socket, socket)
            }
            if plan.isMultiplexed { multiplexed = MultiplexedDevice(device) }
        }

        /// Why nobody will ever be at its far end.
        var failure: EmulationError? {
            socket?.failure.map { EmulationError(location: plan.location, text: $0) }
        }

        var reports: [ChardevReport] {
            let isShared = multiplexed != nil
            let own = ChardevReport(id: isShared ? plan.id + Self.base : plan.id, filename: device.filename)
            return isShared ? [own, ChardevReport(id: plan.id, filename: "mux")] : [own]
        }
    }

    private let reactor: Reactor
    private var entries: [Entry] = []
    /// What devices that were removed still owe their readers.
    private var farewells: [Farewell] = []
    /// stdin and stdout are netemu's; not so in a daemon.
    var hasStandardStreams = true
    /// Ctrl-A x on one of them.
    var onExit: (() -> Void)?
    var onEvent: ((ChardevEvent) -> Void)?
    private let voice: Voice

    /// - Parameter voice: for what is said of whoever is at a far end.
    init(on reactor: Reactor, _ voice: Voice) {
        self.reactor = reactor
        self.voice = voice
    }

    var ids: [String] { entries.map(\.plan.id) }

    /// What is shown of them, in order of creation.
    var reports: [ChardevReport] { entries.flatMap(\.reports) }

    /// Makes the device; it is not started.
    func add(_ plan: ChardevPlan) throws(EmulationError) {
        try checkUnused(plan)
        if case .stdio = plan.kind { try checkStandardStreams(plan) }
        let entry = Entry(plan, on: reactor, voice)
        entry.multiplexed?.onExit = { [weak self] in self?.onExit?() }
        entry.socket?.onChange = { [weak self, weak entry] in
            guard let self, let entry else { return }
            let event = entry.failure.map { ChardevEvent.failed($0) } ?? .cameFurther(id: entry.plan.id)
            self.settle(entry)
            self.onEvent?(event)
        }
        entries.append(entry)
    }

    /// Both of QEMU's texts: an id of the command line is the list's, one of the monitor only the device's.
    private func checkUnused(_ plan: ChardevPlan) throws(EmulationError) {
        if entry(plan.id)?.plan.location != nil {
            let text = "Duplicate ID '\(plan.id)' for chardev"
            throw EmulationError(OptionError(at: plan.location, text, consequence: ChardevOption.notParsed))
        }
        let own = plan.isMultiplexed ? [plan.id, plan.id + Entry.base] : [plan.id]
        guard let taken = own.first(where: { entry($0) != nil || shared($0) != nil }) else { return }
        throw EmulationError(
            location: plan.location, text: "attempt to add duplicate property '\(taken)' to object (type 'container')")
    }

    /// The shared device whose lower half is called `id`.
    private func shared(_ id: String) -> Entry? {
        entries.first { $0.multiplexed != nil && $0.plan.id + Entry.base == id }
    }

    private func checkStandardStreams(_ plan: ChardevPlan) throws(EmulationError) {
        guard hasStandardStreams else {
            throw EmulationError(location: plan.location, text: "cannot use stdio with -daemonize")
        }
        guard standard == nil else {
            throw EmulationError(location: plan.location, text: "cannot use stdio by multiple character devices")
        }
    }

    /// Listens and connects: what others may depend on.
    func startSockets() { for entry in entries { entry.socket?.start() } }

    /// Starts every other device: from here on users hear of what is typed.
    func start() { for entry in entries where entry.socket == nil { entry.device.start() } }

    /// Starts one that was added later. `done` is called once, with what went wrong: when it listens or is connected,
    /// or never will be. A client that connects again and again is accepted at once.
    func start(_ id: String, done: @escaping (String?) -> Void) {
        guard let entry = entry(id) else { return done("Chardev '\(id)' not found") }
        entry.onSettled = done
        entry.device.start()
        settle(entry)
    }

    private func settle(_ entry: Entry) {
        guard entry.socket?.isSettled ?? true, let done = entry.onSettled else { return }
        entry.onSettled = nil
        let failure = entry.socket?.failure
        if failure != nil { forget(entry) }
        done(failure)
    }

    func stop() {
        for entry in entries { entry.device.stop() }
        for farewell in farewells { farewell.flush() }
    }

    /// The device called `id`, for one user; a shared one has a place for each.
    /// - Throws: when there is none, or it is taken.
    func take(_ id: String) throws(EmulationError) -> (device: any CharacterDevice, isShared: Bool) {
        let entry = try known(id)
        if let shared = entry.multiplexed {
            entry.isTaken = true
            return (shared.addSeat(), true)
        }
        try take(entry)
        return (entry.device, false)
    }

    /// The socket called `id`, for a back-end that takes its connections as they are.
    func takeSocket(_ id: String, for kind: any NetdevKind) throws(EmulationError) -> SocketDevice {
        let entry = try known(id)
        if let objection = kind.objection(to: entry.plan) { throw EmulationError(objection) }
        guard let socket = entry.socket else { throw EmulationError(text: "chardev \"\(id)\" is not reconnectable") }
        try take(entry, consequence: kind.notMade)
        return socket
    }

    private func known(_ id: String) throws(EmulationError) -> Entry {
        guard let entry = entry(id) else { throw EmulationError(text: "chardev \"\(id)\" not found") }
        return entry
    }

    private func take(_ entry: Entry, consequence: String? = nil) throws(EmulationError) {
        guard !entry.isTaken, entry.onSettled == nil else {
            let text = "chardev '\(entry.plan.id)' is already in use"
            throw EmulationError(OptionError(text, consequence: consequence))
        }
        entry.isTaken = true
    }

    /// The user of `id` has gone.
    func giveBack(_ id: String) { entry(id)?.isTaken = false }

    /// Why a device that the start waits for will never be there.
    var failure: EmulationError? { entries.lazy.compactMap(\.failure).first }

    /// Ends and forgets a device that nobody uses.
    func remove(_ id: String) throws(EmulationError) {
        if shared(id) != nil { throw EmulationError(text: "Chardev '\(id)' is busy") }
        guard let entry = entry(id) else { throw EmulationError(text: "Chardev '\(id)' not found") }
        guard !entry.isTaken, entry.onSettled == nil else { throw EmulationError(text: "Chardev '\(id)' is busy") }
        forget(entry)
    }

    private func forget(_ entry: Entry) {
        entries.removeAll { $0 === entry }
        guard let farewell = entry.device.leave() else { return }
        farewells.append(farewell)
        farewell.onEnd = { [weak self, weak farewell] in self?.farewells.removeAll { $0 === farewell } }
    }

    /// The start need not wait any more: servers listen, and the first clients are there.
    var isReady: Bool { entries.allSatisfy { $0.socket.map { $0.isSettled && !$0.isAwaited } ?? true } }

    /// The servers that the start waits for, while their first client is not there.
    var awaited: [String] {
        entries.compactMap { $0.socket.flatMap { $0.isServer && $0.isAwaited ? $0.filename : nil } }
    }

    /// stdin and stdout, when a device has them.
    var standard: StandardDevice? { entries.lazy.compactMap(\.standard).first }

    private func entry(_ id: String) -> Entry? { entries.first { $0.plan.id == id } }
}
