// What netemu knows of a kind of back-end. A kind is one file that conforms to this, and one line in NetdevKinds:
// help, completion, the monitor's words, refusals and the manual's check walk that list. Its value is the plan: what
// an option asked for, checked, nothing made yet. Hub ports are none: they are places of the topology.

import Linux
import Virtio

/// A kind of back-end; a value of it is one that is to be made.
protocol NetdevKind: Sendable {
    /// QEMU's name of the type.
    static var name: String { get }
    /// The keys of its list, without `id` and `type`.
    static var keys: KeyTable { get }
    /// How QEMU reads its list. The way of `-netdev`; `-nic` and `-net` always read the short one.
    static var dialect: KeyValueList.Dialect { get }
    /// What `-object filter-dump` is answered when this kind carries no frames here; empty for nothing better.
    static func insteadOfCapture(_ file: String) -> [String]
    /// Programs that a `netdev_add` may ask for later, as far as they exist.
    static var programsOfMonitor: [MindedProgram] { get }

    /// - Parameter list: its keys, without `id` and `type`; not checked yet.
    init(_ list: KeyValueList) throws(OptionError)

    /// It works on the card's rings itself, in another process.
    var worksOnRings: Bool { get }
    /// The key with which it was told to offer no address that a guest of IPv4 can ask for; nil: it does, or nobody knows.
    var withholdsAddress: String? { get }
    /// The id of the character device that it takes for itself.
    var chardev: String? { get }
    /// Why that device will not do.
    func objection(to chardev: ChardevPlan) -> OptionError?
    /// The programs that it starts: the minder must know them before it is forked.
    /// - Throws: errors without a location.
    func programs() throws(EmulationError) -> [MindedProgram]
    /// Its connections move with a netemu-repair beside it.
    var isHelpedByRepair: Bool { get }
    /// Makes the back-end; it is not started.
    /// - Throws: errors without a location.
    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev
}

extension NetdevKind {
    static var dialect: KeyValueList.Dialect { .short }
    static func insteadOfCapture(_ file: String) -> [String] { [] }
    static var programsOfMonitor: [MindedProgram] { [] }
    var worksOnRings: Bool { false }
    var withholdsAddress: String? { nil }
    var chardev: String? { nil }
    func objection(to chardev: ChardevPlan) -> OptionError? { nil }
    /// What QEMU says behind the reason why the back-end cannot be made.
    var notMade: String { "Device '\(Self.name)' could not be initialized" }
    func programs() throws(EmulationError) -> [MindedProgram] { [] }
    var isHelpedByRepair: Bool { false }
}

/// Where a back-end is made, and what it may use there.
struct NetdevSite {
    /// What it is called.
    let name: String
    /// The option as typed, for what is told later; nil from the monitor.
    let location: String?
    let reactor: Reactor
    let chardevs: ChardevTable
    let programs: NetdevPrograms
    /// For what is said of it while it runs.
    let voice: Voice
}
