// device_add, device_del and set_link: cards that come and go, and cables.

/// `device_add`.
struct DeviceAdd: ImmediateCommand {
    static let names = ["device_add"]
    static let parameters: [MonitorParameter] = [
        .options("device", DeviceOption.grammar, shown: "driver[,prop=value][,...]")
    ]
    static let help = "add device, like -device on the command line"
    let device: KeyValueList

    init(_ arguments: MonitorArguments) throws(EmulationError) { device = try arguments.list("device") }

    func run(on machine: Machine) throws(EmulationError) {
        try machine.migration?.refuseWhileMoving("device_add")
        let plan = try EmulationError.wrapping { () throws(OptionError) in
            try DeviceOption.plan(
                device, id: try DeviceOption.grammar.id(of: device), location: nil, globals: machine.globals,
                in: machine.network.topology)
        }
        try machine.network.add(plan)
        for warning in DeviceOption.grammar.table(of: device)?.warnings(of: device) ?? [] {
            machine.network.site.voice.warn(warning)
        }
    }
}

/// `device_del`; the card goes when the guest has let go of it.
struct DeviceDel: ImmediateCommand {
    static let names = ["device_del"]
    static let parameters: [MonitorParameter] = [.word("id", of: .devices, shown: "device")]
    static let help = "remove device"
    let id: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { id = try arguments.string("id") }
    func run(on machine: Machine) throws(EmulationError) {
        try machine.migration?.refuseWhileMoving("device_del")
        try machine.network.removeCard(id)
    }
}

/// `set_link`.
struct SetLink: ImmediateCommand {
    static let names = ["set_link"]
    static let parameters: [MonitorParameter] = [.word("name", of: .clients), .onOff("up")]
    static let help = "change the link status of a network adapter"
    let name: String
    let isUp: Bool

    init(_ arguments: MonitorArguments) throws(EmulationError) {
        name = try arguments.string("name")
        isUp = try arguments.boolean("up")
    }

    func run(on machine: Machine) throws(EmulationError) { try machine.network.setLink(name, isUp: isUp) }
}
