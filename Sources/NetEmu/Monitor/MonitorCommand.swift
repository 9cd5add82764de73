// What a command of a monitor is: its names, its arguments with their types, what it does, what it answers. A command
// is one type, in one file, and one line in CommandTable; help, completion and the reading of arguments follow from it.
// Which monitor asks is unknown here: the human one shows the answer as lines, one for programs would show the value.

/// A command; a value of it is a call with its arguments.
package protocol MonitorCommand: Sendable {
    /// What it gives when it went well.
    associatedtype Answer: Sendable = Void

    /// The first is the one that help shows first.
    static var names: [String] { get }
    /// The word that it stands behind: `info`; nil for a command of its own.
    static var group: String? { get }
    static var parameters: [MonitorParameter] { get }
    /// One line for `help`.
    static var help: String { get }
    /// Whoever gave it is not asked for another one.
    static var isLast: Bool { get }

    /// - Throws: when an argument is missing or of another type.
    init(_ arguments: MonitorArguments) throws(EmulationError)
    /// Carries it out and answers once: within the call, or later.
    func run(on machine: Machine, answer: @escaping (Result<Answer, EmulationError>) -> Void)
    /// The answer as the human monitor shows it, without line ends.
    static func lines(of answer: Answer) -> [String]
}

extension MonitorCommand {
    package static var group: String? { nil }
    package static var parameters: [MonitorParameter] { [] }
    package static var isLast: Bool { false }
}

extension MonitorCommand where Answer == Void {
    /// Nothing is shown of what went well.
    package static func lines(of answer: Void) -> [String] { [] }
}

/// A command that is done when its call returns.
protocol ImmediateCommand: MonitorCommand {
    func run(on machine: Machine) throws(EmulationError) -> Answer
}

extension ImmediateCommand {
    package func run(on machine: Machine, answer: @escaping (Result<Answer, EmulationError>) -> Void) {
        do throws(EmulationError) { answer(.success(try run(on: machine))) } catch { answer(.failure(error)) }
    }
}

/// Who carries commands out.
package protocol MonitorTarget: AnyObject {
    /// Carries `command` out and answers once: within the call, or later.
    func execute<Command: MonitorCommand>(
        _ command: Command, answer: @escaping (Result<Command.Answer, EmulationError>) -> Void)
    /// What there is of a kind.
    func names(of kind: MonitorParameter.Names) -> [String]
}
