// What one option is: its name, how its value is read, when it takes effect and what it does. Everything that is
// said of an option is derived from its row.

/// What an option of the table means to netemu.
public enum OptionMeaning: Equatable, Sendable {
    /// Carried out.
    case implemented
    /// Refused until it exists; the value tells what works today.
    case notYet(instead: String)
    /// Accepted with one warning: there is no such part in netemu.
    case meaningless(missing: String)
    /// Refused: it would boot a system; the value names the guest kind that it needs.
    case boots(guest: String)
    /// QEMU removed it, or it asks for something netemu will not do; the value says so.
    case refused(String)

    /// What to do about an option that would put a system into a machine.
    static let leaveOut = "Leave it out: -guest node boots without it"
}

/// When an option takes effect: lower phases first, typing order inside a phase.
public enum OptionPhase: Int, Comparable, Sendable {
    /// In the order in which they take effect.
    case setup, chardev, memory, netdev, nic, net, object, machine, monitor, device, run
    public static func < (a: OptionPhase, b: OptionPhase) -> Bool { a.rawValue < b.rawValue }
}

/// One option.
public struct OptionRow: Sendable {
    typealias Effect = @Sendable (inout ConfigurationBuilder, ParsedOption) throws(OptionError) -> Void
    typealias Answer = @Sendable (ScannedOption) throws(OptionError) -> String?
    /// Changes options that were typed before.
    typealias Amendment = @Sendable (ScannedOption, inout [ParsedOption]) throws(OptionError) -> Void

    /// Without the dash.
    public let name: String
    /// What stands for the value in help; nil when the option takes none.
    public let argument: String?
    /// One line for `-help`; empty for options that are not carried out.
    public let help: String
    /// What it means to netemu.
    public let meaning: OptionMeaning
    /// When it takes effect.
    public let phase: OptionPhase
    /// How a value that is a list is read; nil for a word.
    let grammar: ListGrammar?
    /// What a value that is no list can begin with.
    let words: [String]
    /// The value is the name of a file.
    let namesFile: Bool
    /// What it does to the configuration.
    let effect: Effect
    /// The text that it asks for instead of a run; nil when it asks for none.
    let answer: Answer
    /// What an option of QEMU means with this value, if not the usual.
    var exception: (@Sendable (ScannedOption) -> OptionMeaning?)?
    /// What it does to options in front of it, before any takes effect; nil for nothing.
    var amends: Amendment?
    /// However often it is typed, it is one list: QEMU merges them.
    var isMerged = false

    /// An option that is carried out.
    /// - Parameter argument: what stands for the value in help; nil when the option takes none.
    init(
        _ name: String, _ argument: String?, _ help: String, phase: OptionPhase = .setup,
        reads value: OptionValue = .word([]),
        answer: Answer? = nil, effect: @escaping Effect
    ) {
        self.name = name
        self.argument = argument
        self.help = help
        self.phase = phase
        self.effect = effect
        meaning = .implemented
        switch value {
        case .word(let beginnings): (grammar, words, namesFile) = (nil, beginnings, false)
        case .file: (grammar, words, namesFile) = (nil, [], true)
        case .list(let list): (grammar, words, namesFile) = (list, list.firstWords, false)
        }
        let list = grammar
        self.answer = answer ?? { option in list?.help(option.value ?? "") }
    }

    /// An option of QEMU that is not carried out.
    init(_ name: String, _ argument: String?, _ meaning: OptionMeaning) {
        self.name = name
        self.argument = argument
        self.meaning = meaning
        help = ""
        phase = .setup
        (grammar, words, namesFile) = (nil, [], false)
        effect = { _, _ in }
        answer = { option in
            guard case .meaningless(let missing) = meaning, option.value == "help" || option.value == "?" else {
                return nil
            }
            return "-\(name) is accepted with a warning, whatever its value: netemu has no \(missing)"
        }
    }

    /// It is carried out.
    public var isImplemented: Bool { meaning == .implemented }
}

/// How the value of an option is read.
enum OptionValue: Sendable {
    /// As it stands; it can begin with these.
    case word([String])
    /// As it stands; the name of a file.
    case file
    case list(ListGrammar)
}
