// object_add and object_del: captures that come and go.

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
        let plan = try EmulationError.wrapping { () throws(OptionError) in try wanted() }
        let taken = machine.memoryObjects + machine.network.captures.map(\.plan.id)
        guard !taken.contains(plan.id) else {
            throw EmulationError(text: "attempt to add duplicate property '\(plan.id)' to object (type 'container')")
        }
        try machine.network.add(plan)
    }

    private func wanted() throws(OptionError) -> FilterPlan {
        let list = try KeyValueList(parsing: text, implied: "qom-type", dialect: .strict)
        guard let type = list["qom-type"] else { throw OptionError("Parameter 'qom-type' is missing") }
        guard let id = list["id"] else { throw OptionError("Parameter 'id' is missing") }
        guard type == "filter-dump" else { throw ObjectOption.unknown(type) }
        let plan = try FilterOption.plan(list.without("qom-type", "id"), id: id, location: nil)
        _ = try Value.identifier(id)
        return plan
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
        guard !machine.network.removeCapture(id) else { return }
        let isMemory = machine.memoryObjects.contains(id)
        throw EmulationError(
            text: isMemory ? "object '\(id)' is in use, can not be deleted" : "object '\(id)' not found")
    }
}
