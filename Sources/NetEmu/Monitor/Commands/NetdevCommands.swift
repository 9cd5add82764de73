// netdev_add and netdev_del: back-ends that come and go.

/// `netdev_add`; answers when the back-end works or has failed. A failed one leaves nothing.
struct NetdevAdd: MonitorCommand {
    static let names = ["netdev_add"]
    static let parameters: [MonitorParameter] = [
        .options(
            "netdev", NetworkLists.netdev,
            shown: "[\(NetdevKinds.names.joined(separator: "|"))],id=str[,prop=value][,...]",
            taken: (.netdevOptions, "netdev"))
    ]
    static let help = "add host network device"
    let netdev: KeyValueList

    init(_ arguments: MonitorArguments) throws(EmulationError) { netdev = try arguments.list("netdev") }

    func run(on machine: Machine, answer: @escaping (Result<Void, EmulationError>) -> Void) {
        do throws(EmulationError) {
            let plan = try EmulationError.wrapping { () throws(OptionError) in
                try NetdevOption.plan(netdev, location: nil, among: machine.network.site.kinds)
            }
            try machine.network.add(plan) { failure in
                answer(failure.map { .failure($0) } ?? .success(()))
            }
        } catch {
            answer(.failure(error))
        }
    }
}

/// `netdev_del`.
struct NetdevDel: ImmediateCommand {
    static let names = ["netdev_del"]
    static let parameters: [MonitorParameter] = [.word("id", of: .netdevs)]
    static let help = "remove host network device"
    let id: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { id = try arguments.string("id") }
    func run(on machine: Machine) throws(EmulationError) {
        try machine.migration?.refuseWhileMoving("netdev_del")
        try machine.network.removeNetdev(id)
    }
}
