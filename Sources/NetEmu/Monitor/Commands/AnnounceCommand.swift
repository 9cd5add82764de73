// announce_self: the guest says on its networks where it is, as after a migration, by migrate_set_parameter's announce-*.

import GuestNode

/// `announce_self`.
struct AnnounceSelf: ImmediateCommand {
    static let names = ["announce_self"]
    static let parameters: [MonitorParameter] = [
        .word("interfaces", of: .devices, shown: "[interfaces]", isOptional: true),
        .word("id", of: .nothing, shown: "[id]", isOptional: true),
    ]
    static let help = "Trigger GARP/RARP announcements"
    /// Names of cards; nil: all.
    let cards: [String]?
    let id: String

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        cards = arguments.optionalString("interfaces").map { $0.split(separator: ",").map(String.init) }
        id = arguments.optionalString("id") ?? ""
    }

    func run(on machine: Machine) throws(EmulationError) {
        try machine.network.announce(machine.migration?.settings.announcement ?? .init(), id: id, by: cards)
    }
}
