// object_add and object_del: captures and monitors that come and go, and memory that nobody uses.

/// `object_add`.
struct ObjectAdd: ImmediateCommand {
    static let names = ["object_add"]
    static let parameters: [MonitorParameter] = [
        .text("object", .rest, ObjectOption.grammar, shown: "[qom-type=]type,id=str[,prop=value][,...]")
    ]
    static let help = "create QOM object"
    let text: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { text = try arguments.string("object") }

    func run(on machine: Machine) throws(EmulationError) {
        let (id, wanted) = try EmulationError.wrapping { () throws(OptionError) in try named() }
        guard !machine.objects.contains(id) else {
            throw EmulationError(text: "attempt to add duplicate property '\(id)' to object (type 'container')")
        }
        switch wanted {
        case .capture(let plan): try machine.network.add(plan)
        case .monitor(let plan): try machine.monitors?.add(plan)
        }
    }

    private enum Wanted {
        case capture(FilterPlan)
        case monitor(MonitorPlan)
    }

    private func named() throws(OptionError) -> (id: String, Wanted) {
        let list = try KeyValueList(parsing: text, implied: "qom-type", dialect: .strict)
        guard let type = list["qom-type"] else { throw OptionError("Parameter 'qom-type' is missing") }
        guard let id = list["id"] else { throw OptionError("Parameter 'id' is missing") }
        let rest = list.without("qom-type", "id")
        let wanted: Wanted
        switch type {
        case FilterOption.keys.title: wanted = .capture(try FilterOption.plan(rest, id: id, location: nil))
        case MonitorOption.objectKeys.title:
            wanted = .monitor(MonitorPlan(chardev: try MonitorOption.objectKeys.read(rest).required("chardev"), id: id))
        default: throw ObjectOption.unknown(type)
        }
        return (try Value.identifier(id), wanted)
    }
}

/// `object_del`.
struct ObjectDel: ImmediateCommand {
    static let names = ["object_del"]
    static let parameters: [MonitorParameter] = [.word("id", of: .objects)]
    static let help = "destroy QOM object"
    let id: String

    init(_ arguments: MonitorArguments) throws(EmulationError) { id = try arguments.string("id") }

    func run(on machine: Machine) throws(EmulationError) {
        guard !machine.network.removeCapture(id), try machine.monitors?.remove(id) != true else { return }
        guard try machine.memory.remove(id) else { throw EmulationError(text: "object '\(id)' not found") }
    }
}
