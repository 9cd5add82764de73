// x-passt-upgrade: another program takes the place of a passt, or the same one whose file is a newer one by now.

/// `x-passt-upgrade`; answers when connections live on, or when the former passt does.
struct PasstUpgradeCommand: MonitorCommand {
    static let names = ["x-passt-upgrade"]
    static let parameters: [MonitorParameter] = [
        .word("netdev", of: .netdevs), .word("path", of: .nothing, shown: "[path]", isOptional: true),
    ]
    static let help = "replace the passt behind a netdev, with its connections"
    let netdev: String
    let path: String?

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        netdev = try arguments.string("netdev")
        path = arguments.optionalString("path")
    }

    func run(on machine: Machine, answer: @escaping (Result<BackEndReport, EmulationError>) -> Void) {
        do throws(EmulationError) {
            try machine.moves.upgradePasst(of: netdev, to: path, answer)
        } catch { answer(.failure(error)) }
    }

    static func lines(of answer: BackEndReport) -> [String] { answer.lines }
}
