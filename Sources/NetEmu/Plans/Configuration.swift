// What a command line asks for, as values that cannot contradict each other. Made only by
// ConfigurationBuilder; the wiring reads it and nothing else of the command line.

/// A checked command line.
public struct Configuration: Sendable {
    /// Guest memory.
    public var memory = MemoryPlan()
    /// In order of creation.
    public var chardevs: [ChardevPlan] = []
    /// Back-ends and cards in order of creation.
    public var network: [NetworkStep] = []
    /// How they hang together.
    public var topology = Topology()
    /// In order of creation.
    public var filters: [FilterPlan] = []
    /// In order of creation.
    public var monitors: [MonitorPlan] = []
    /// The character device that is the guest's console; nil when nobody looks at it.
    public var console: String?
    /// -monitor, -serial or -mon was given. Without one, a netemu that runs on a terminal puts its monitor and the
    /// guest's console there.
    public var hasTerminalOption = false
    /// Monitor and console are on the terminal that netemu was started at.
    public var sharesTerminal = false
    /// The first words.
    var greeting = Greeting()
    /// The console is a pipe or a file: its end ends netemu, with the shell's status.
    public var readsPipe = false
    var guest: any GuestKind = NodeGuestKind()
    /// `-S`: the guest waits for `cont`.
    public var isStopped = false
    /// `-incoming`: the guest comes from another netemu.
    var incoming: IncomingPlan?
    /// `-global`, also for cards that the monitor adds.
    public var globals: [GlobalProperty] = []
    /// What is asked of the process itself.
    public var process = ProcessPlan()
    /// `-name`.
    public var name: String?
    /// Said before anything starts.
    public var warnings: [OptionWarning] = []

    /// netemu's own failure: 125 when its guest has a task, so that it is told from the task's status.
    public var failureStatus: Int32 { guest.hasTask ? 125 : 1 }
    /// netemu's status is that of a task or of a shell, and a signal's is told as by a shell.
    var hasShellStatus: Bool { guest.hasTask || readsPipe }

    /// The first back-end that needs guest memory it can map. One on a hub works on other memory.
    var firstOnRings: NetdevPlan? {
        for case .netdev(let id, let plan) in network where plan.worksOnRings && !topology.isOnHub(id) { return plan }
        return nil
    }
}

/// What is said of a command line that is carried out all the same.
public struct OptionWarning: Equatable, Sendable {
    /// The option as typed; nil when the text names it.
    public let location: String?
    /// What it is about, without its place.
    public let text: String

    init(_ text: String, at location: String? = nil) {
        self.location = location
        self.text = text
    }

    /// QEMU's order: place, `warning:`, text.
    public var message: String { (location.map { "\($0): " } ?? "") + "warning: \(text)" }
}

/// One thing to make; its place among the others is in the topology.
public enum NetworkStep: Sendable {
    /// A back-end.
    case netdev(ClientID, NetdevPlan)
    /// A card.
    case card(ClientID, CardPlan)
}
