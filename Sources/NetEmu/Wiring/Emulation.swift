// A running netemu: guest memory, cards, back-ends, character devices, the guest. Made from a
// Configuration, moved by one reactor, ended in one place. Cards and back-ends are in Emulation+Network, what
// the monitor does in Emulation+Monitor.

import Glibc
import Link
import Linux
import Virtio

/// Everything that runs.
final class Emulation {
    enum Phase {
        case starting, running
        /// The guest says good-bye; back-ends still carry its frames.
        case parting
        case ending
    }

    let configuration: Configuration
    let reactor: Reactor
    let memory: GuestMemory
    let programs: NetdevPrograms
    let chardevs: ChardevTable
    let guest: any Guest
    private var console: ConsoleUser?
    private var monitors: [MonitorUser] = []
    private var taskOutput: OutputPort?

    var topology: Topology
    var netdevs: [ClientID: any Netdev] = [:]
    var cards: [ClientID: NetworkCard] = [:]
    var hubs: [Int32: Hub] = [:]
    /// Back-ends without a card whose cable `set_link` pulled.
    var unplugged: Set<ClientID> = []
    /// Back-ends that were removed and have not ended yet.
    var endingNetdevs: [any Netdev] = []
    var filters: [Filter] = []
    /// Back-ends that a monitor waits for.
    var awaitedNetdevs: [ClientID: ([String]) -> Void] = [:]
    /// Cards that the guest was asked to let go of.
    var leavingCards: Set<ClientID> = []
    var runState = RunState.prelaunch

    /// Everything is set up; called once, before the guest starts.
    var onRunning: (() throws(EmulationError) -> Void)?
    private(set) var phase = Phase.starting
    private(set) var exitStatus: Int32 = 0

    /// The guest's connections are closed within this time, or reset.
    private static let partingPatience: UInt64 = 500_000_000
    /// Then everything ends within this time, whatever a back-end does: two seconds in all.
    private static let endPatience: UInt64 = 1_400_000_000

    init(_ configuration: Configuration, programs: NetdevPrograms, on reactor: Reactor) throws(EmulationError) {
        self.configuration = configuration
        self.programs = programs
        self.reactor = reactor
        topology = configuration.topology
        memory = try Self.makeMemory(configuration)
        chardevs = ChardevTable(on: reactor)
        guest = configuration.guest.makeGuest(
            GuestSite(memory: memory, reactor: reactor, say: { StandardStream.error.say($0) }))
        try makeCharacterDevices()
        try makeNetwork()
        for plan in configuration.filters { try add(plan) }
        guest.onChange = { [weak self] in self?.guestChanged() }
    }

    private static func makeMemory(_ configuration: Configuration) throws(EmulationError) -> GuestMemory {
        let size = configuration.memory.size
        do { return try GuestMemory(size: Int(size)) } catch {
            throw EmulationError(text: "cannot make guest memory of \(Value.text(ofSize: size)): \(error)")
        }
    }

    private func makeCharacterDevices() throws(EmulationError) {
        for plan in configuration.chardevs { try chardevs.add(plan) }
        chardevs.onExit = { [weak self] in self?.end(status: 0) }
        chardevs.onChange = { [weak self] in
            guard let self, self.phase == .starting else { return }
            if let failure = self.chardevs.failure { self.fail(failure) } else { self.goOnWhenReady() }
        }
        if let id = configuration.console, let terminal = guest.console {
            let device = try chardevs.take(id).device
            let console = ConsoleUser(device)
            device.user = console
            console.show(terminal)
            self.console = console
        }
        for plan in configuration.monitors { try addMonitor(plan) }
    }

    private func addMonitor(_ plan: MonitorPlan) throws(EmulationError) {
        let (device, isShared) = try chardevs.take(plan.chardev)
        let prompt = getenv("NETEMU_PROMPT").map { String(cString: $0) } ?? "(netemu) "
        let monitor = MonitorUser(MonitorSession(target: self, prompt: prompt), device, isShared: isShared)
        device.user = monitor
        monitors.append(monitor)
    }

    // MARK: start

    /// Starts the back-ends; guest and monitors follow when every one is ready.
    func start() {
        chardevs.startSockets()
        if let failure = chardevs.failure { return fail(failure) }
        for netdev in netdevs.values { netdev.start() }
        for name in chardevs.awaited {
            StandardStream.error.say("info: netemu waiting for connection on: \(name)")
        }
        goOnWhenReady()
    }

    func netdevChanged(_ id: ClientID, _ netdev: any Netdev) {
        settleAwaited(id)
        if let failure = netdev.failure, phase == .starting { return fail(failure) }
        goOnWhenReady()
        endingNetdevs.removeAll { $0.isGone }
        if phase == .ending, isEverythingGone { reactor.stop() }
    }

    private func fail(_ error: EmulationError) {
        guard phase == .starting || phase == .running else { return }
        StandardStream.error.write(error.message + "\n")
        end(status: configuration.failureStatus)
    }

    private func goOnWhenReady() {
        guard phase == .starting, netdevs.values.allSatisfy(\.isReady), chardevs.awaited.isEmpty else { return }
        for warning in topology.warnings { StandardStream.error.warn(warning) }
        do throws(EmulationError) { try onRunning?() } catch { return fail(error) }
        phase = .running
        if configuration.guest.hasTask {
            taskOutput = OutputPort(1, on: reactor)
            taskOutput?.onRoom = { [weak self] in self?.guestChanged() }
        }
        if !configuration.isStopped { resumeGuest() }
        chardevs.start()
    }

    // MARK: running

    private func guestChanged() {
        if let terminal = guest.console { console?.show(terminal) }
        if let failure = guest.failure { return fail(failure) }
        guard let output = guest.output, let port = taskOutput else { return }
        while output.hasOutput, port.hasRoom {
            output.drainOutput { bytes in
                port.write(bytes)
                return bytes.count
            }
        }
        guard let status = guest.endStatus, !output.hasOutput else { return }
        end(status: status)
    }

    /// What a signal asks for.
    func handle(_ signal: ProgramSignals.Meaning) {
        switch signal {
        case .stop: chardevs.standard?.suspend()
        case .resume: chardevs.standard?.resume()
        case .end(let number, let sender):
            let from = sender > 0 ? " from pid \(sender)" : ""
            StandardStream.error.say("terminating on signal \(number)\(from)")
            end(status: configuration.failureStatus == 125 ? 128 + number : 0)
        }
    }

    /// Without the minder no passt can be started, and none would be cleaned up.
    func minderEnded() {
        guard phase == .starting || phase == .running else { return }
        StandardStream.error.say("the process that minds netemu's children has ended")
        end(status: configuration.failureStatus)
    }

    // MARK: the end

    /// Ends the program: the first reason decides the status. What the guest has said is delivered before the
    /// back-ends end, and what does not end by itself is reset, so that no peer waits for somebody who is gone.
    func end(status: Int32) {
        guard phase == .starting || phase == .running else { return }
        phase = .parting
        exitStatus = status
        guest.end(within: Self.partingPatience) { [weak self] in self?.endBackEnds() }
    }

    private func endBackEnds() {
        phase = .ending
        for netdev in netdevs.values { netdev.stop() }
        guard !isEverythingGone else { return reactor.stop() }
        reactor.schedule(atNanoseconds: reactor.nowNanoseconds &+ Self.endPatience) { [weak self] in
            self?.reactor.stop()
        }
    }

    private var isEverythingGone: Bool { netdevs.values.allSatisfy(\.isGone) && endingNetdevs.allSatisfy(\.isGone) }

    /// Gives back what the program holds outside itself.
    func close() {
        for filter in filters { filter.end() }
        taskOutput?.flush(milliseconds: 500)
        chardevs.stop()
    }
}
