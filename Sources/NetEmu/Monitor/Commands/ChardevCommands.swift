// chardev-add, chardev-remove and info chardev: character devices.

/// `chardev-add`: answers when the device listens or is connected; one that cannot leaves nothing.
struct ChardevAdd: MonitorCommand {
    static let names = ["chardev-add"]
    static let parameters: [MonitorParameter] = [
        .text("args", .string, ChardevOption.grammar, shown: "args")
    ]
    static let help = "add chardev"
    let text: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { text = try arguments.string("args") }

    func run(on machine: Machine, answer: @escaping (Result<Void, EmulationError>) -> Void) {
        do throws(EmulationError) {
            let plan = try EmulationError.wrapping { () throws(OptionError) in
                try ChardevOption.plan(text, location: nil)
            }
            try machine.chardevs.add(plan)
            machine.chardevs.start(plan.id) { reason in
                answer(reason.map { .failure(EmulationError(text: $0)) } ?? .success(()))
            }
        } catch { answer(.failure(error)) }
    }
}

/// `chardev-remove`.
struct ChardevRemove: ImmediateCommand {
    static let names = ["chardev-remove"]
    static let parameters: [MonitorParameter] = [.word("id", of: .chardevs)]
    static let help = "remove chardev"
    let id: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { id = try arguments.string("id") }
    func run(on machine: Machine) throws(EmulationError) { try machine.chardevs.remove(id) }
}

/// `info chardev`.
struct InfoChardev: ImmediateCommand {
    static let names = ["chardev"]
    static let group: String? = "info"
    static let help = "show the character devices"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> [ChardevReport] { machine.chardevs.reports }
    static func lines(of answer: [ChardevReport]) -> [String] {
        answer.map { "\($0.id): filename=\($0.filename)" }
    }
}
