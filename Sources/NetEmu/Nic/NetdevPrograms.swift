// What is settled about every program of a back-end before the minder is forked: which ones there may be. The
// minder starts nothing else, also when the monitor asks for one later.

import Linux

/// The minder, and the programs that it will start.
final class NetdevPrograms {
    /// nil when there is nothing to start, now or later.
    let minder: Minder?
    private var started = 0

    /// Finds the programs and forks the minder. Call while there is one thread.
    init(_ configuration: Configuration) throws(EmulationError) {
        var found: [MindedProgram] = []
        for case .netdev(_, let plan) in configuration.network {
            guard case .backEnd(let kind) = plan.wanted else { continue }
            do throws(EmulationError) { found += try kind.programs() } catch {
                throw error.located(at: plan.location)
            }
        }
        if !configuration.monitors.isEmpty { found += NetdevKinds.all.flatMap { $0.programsOfMonitor } }
        do throws(SpawnError) {
            minder = found.isEmpty ? nil : try Minder.start(found)
        } catch { throw EmulationError(text: "cannot prepare to start programs: \(error)") }
    }

    /// Where no program can be started.
    init() { minder = nil }

    /// The number of the next program that is started: its files are told apart by it.
    func nextNumber() -> Int {
        defer { started += 1 }
        return started
    }
}
