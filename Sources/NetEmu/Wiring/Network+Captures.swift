// Captures that hang on back-ends: from the command line, and object_add and object_del.

import Link
import Linux
import Netdevs

/// A capture that runs.
final class Filter {
    let plan: FilterPlan
    let netdev: ClientID
    let link: FrameLink
    let dump: FrameDump

    init(_ plan: FilterPlan, netdev: ClientID, link: FrameLink, _ dump: FrameDump) {
        self.plan = plan
        self.netdev = netdev
        self.link = link
        self.dump = dump
        link.add(dump)
    }

    func end() {
        link.remove(dump)
        dump.flush()
    }
}

extension Emulation {
    /// `object_add`.
    func addObject(_ text: String) throws(EmulationError) {
        let plan = try checked { () throws(OptionError) in
            let list = try KeyValueList(parsing: text, implied: "qom-type", dialect: .strict)
            guard let type = list["qom-type"] else { throw OptionError("Parameter 'qom-type' is missing") }
            guard let id = list["id"] else { throw OptionError("Parameter 'id' is missing") }
            guard type == "filter-dump" else { throw ObjectOption.unknown(type) }
            return try FilterOption.plan(list.without("qom-type", "id"), id: id, location: nil)
        }
        let objects = configuration.memory.backends.map(\.id) + filters.map(\.plan.id)
        guard !objects.contains(plan.id) else {
            throw EmulationError(text: "attempt to add duplicate property '\(plan.id)' to object (type 'container')")
        }
        try add(plan)
    }

    /// `object_del`.
    func removeObject(_ id: String) throws(EmulationError) {
        guard let index = filters.firstIndex(where: { $0.plan.id == id }) else {
            let isMemory = configuration.memory.backends.contains { $0.id == id }
            throw EmulationError(
                text: isMemory ? "object '\(id)' is in use, can not be deleted" : "object '\(id)' not found")
        }
        filters.remove(at: index).end()
    }

    /// Begins a capture.
    func add(_ plan: FilterPlan) throws(EmulationError) {
        let client = try checked { () throws(OptionError) in try FilterOption.target(plan, in: topology) }
        guard case .frames(let link)? = netdevs[client.id]?.door else {
            throw EmulationError(location: plan.location, text: "Parameter 'netdev' expects a network backend id")
        }
        let place = try place(of: plan)
        do throws(SystemError) {
            let dump = try FrameDump(plan.file, plan.options) { [unowned reactor] in reactor.atEndOfTurn($0) }
            dump.isOn = plan.isOn
            dump.onFailure = {
                StandardStream.error.warn("\(plan.id): \(plan.file): \($0.reason); the capture ends here")
            }
            filters.insert(Filter(plan, netdev: client.id, link: link, dump), at: place)
        } catch {
            throw EmulationError(location: plan.location, text: "Could not open '\(plan.file)': \(error.reason)")
        }
    }

    private func place(of plan: FilterPlan) throws(EmulationError) -> Int {
        switch plan.position {
        case .head: return 0
        case .tail: return filters.count
        case .beside(let id):
            guard let index = filters.firstIndex(where: { $0.plan.id == id }) else {
                throw EmulationError(location: plan.location, text: "filter '\(id)' not found")
            }
            return plan.isBefore ? index : index + 1
        }
    }

    /// A back-end goes, and what captured it.
    func removeFilters(of netdev: ClientID) {
        for filter in filters where filter.netdev == netdev { filter.end() }
        filters.removeAll { $0.netdev == netdev }
    }

    func filterLines(_ client: NetClient) -> [String] {
        filters.filter { $0.netdev == client.id }.map(\.plan.line)
    }
}
