// Captures that hang on back-ends: from the command line, and object_add and object_del.

import Link
import Linux
import Netdevs

/// A capture that runs.
final class Capture {
    let plan: FilterPlan
    let netdev: ClientID
    private let link: FrameLink
    private let dump: FrameDump

    init(_ plan: FilterPlan, netdev: ClientID, link: FrameLink, _ dump: FrameDump) {
        self.plan = plan
        self.netdev = netdev
        self.link = link
        self.dump = dump
        link.add(dump)
    }

    /// - Parameter patience: milliseconds that a pipe has to take what is still to be written.
    func end(patience: Int = 0) {
        link.remove(dump)
        dump.finish(milliseconds: patience)
    }
}

extension Network {
    /// Begins a capture.
    func add(_ plan: FilterPlan) throws(EmulationError) {
        let client = try EmulationError.wrapping { () throws(OptionError) in
            try FilterOption.target(plan, in: topology)
        }
        guard let link = link(of: client.id) else {
            throw EmulationError(location: plan.location, text: "Parameter 'netdev' expects a network backend id")
        }
        let place = try place(of: plan)
        do throws(SystemError) {
            let reactor = site.reactor
            let dump = try FrameDump(plan.file, plan.options, on: reactor)
            dump.isOn = plan.isOn
            let voice = site.voice
            dump.onFailure = { voice.warn("\(plan.id): \(plan.file): \($0.reason); the capture ends here") }
            let warnings = LimitedWarnings(on: reactor, say: voice.warn)
            dump.onLoss = { count in
                let what = count == 0 ? "is full; frames are dropped" : "has room again; \(count) frames were dropped"
                warnings.warn("\(plan.id): \(plan.file) \(what)")
            }
            captures.insert(Capture(plan, netdev: client.id, link: link, dump), at: place)
        } catch {
            throw EmulationError(location: plan.location, text: "Could not open '\(plan.file)': \(error.reason)")
        }
    }

    private func place(of plan: FilterPlan) throws(EmulationError) -> Int {
        switch plan.position {
        case .head: return 0
        case .tail: return captures.count
        case .beside(let id):
            guard let index = captures.firstIndex(where: { $0.plan.id == id }) else {
                throw EmulationError(location: plan.location, text: "filter '\(id)' not found")
            }
            return plan.isBefore ? index : index + 1
        }
    }

    /// Ends the capture called `id`; false when there is none.
    func removeCapture(_ id: String) -> Bool {
        guard let index = captures.firstIndex(where: { $0.plan.id == id }) else { return false }
        captures.remove(at: index).end()
        return true
    }

    /// A back-end goes, and what captured it.
    func removeCaptures(of netdev: ClientID) {
        for capture in captures where capture.netdev == netdev { capture.end() }
        captures.removeAll { $0.netdev == netdev }
    }
}
