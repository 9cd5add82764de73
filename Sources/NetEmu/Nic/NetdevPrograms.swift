// What is settled about every program of a back-end before the minder is forked: which ones there may be. The
// minder starts nothing else, also when the monitor asks for one later.

import Linux
import Migration
import PasstLauncher

/// The minder, and the programs that it will start.
final class NetdevPrograms {
    /// nil when there is nothing to start, now or later.
    let minder: Minder?
    /// Switches TCP_REPAIR for passts of ours; nil when there is none.
    let repair: RepairProgram?
    /// Why there is none.
    let repairProblem: String?
    /// Files that the minder starts; nil: any that is started as passt is.
    private let known: Set<String>?
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
        (repair, repairProblem) = try Self.repair(configuration, mayHelp: !found.isEmpty)
        if let repair, !found.isEmpty { found.append(repair.minded) }
        let mayUpgrade = configuration.mayRunOthers && !found.isEmpty
        known = mayUpgrade ? nil : Set(found.compactMap(\.path))
        if mayUpgrade { found.append(PasstProgram.anyFile) }
        if configuration.mayRunCommands { found.append(.shell) }
        if let command = configuration.process.migrateHook { found.append(MigrateHook.minded(command)) }
        do throws(SpawnError) {
            minder = found.isEmpty ? nil : try Minder.start(found)
        } catch { throw EmulationError(text: "cannot prepare to start programs: \(error)") }
    }

    /// The helper of passts over vhost-user, also of those that the monitor adds.
    private static func repair(
        _ configuration: Configuration, mayHelp: Bool
    ) throws(EmulationError) -> (RepairProgram?, String?) {
        let isWanted = configuration.network.contains {
            if case .netdev(_, let plan) = $0, case .backEnd(let kind) = plan.wanted {
                kind.isHelpedByRepair
            } else {
                false
            }
        }
        switch configuration.process.repair {
        case .off: return (nil, "-repair off")
        case .file(let path, let location):
            do throws(SystemError) { return (try RepairProgram(path), nil) } catch {
                throw EmulationError(location: location, text: "cannot start \(path): \(error.reason)")
            }
        case .search:
            guard isWanted || mayHelp && !configuration.monitors.isEmpty else { return (nil, nil) }
            if let found = try? RepairProgram(nil) { return (found, nil) }
            return (nil, "netemu-repair is neither beside netemu, nor in ../libexec, nor in PATH")
        }
    }

    /// Where no program can be started.
    init() { (minder, repair, repairProblem, known) = (nil, nil, nil, []) }

    /// - Throws: when this passt was not named at the start and may not be started for that reason.
    func check(_ program: PasstProgram) throws(EmulationError) {
        guard let known, !known.contains(program.path) else { return }
        throw EmulationError(
            text: "\(program.name) is not among the programs that were named when netemu started, and the sandbox lets "
                + "it start no other",
            hints: ["Replace the file of the one that runs, or leave -sandbox on out"])
    }

    /// The number of the next program that is started: its files are told apart by it.
    func nextNumber() -> Int {
        defer { started += 1 }
        return started
    }
}

extension MindedProgram {
    /// The shell of `exec:`, which is started as `sh -c COMMAND` and not otherwise.
    static let shell = MindedProgram(path: "/bin/sh") { arguments in
        arguments.count == 2 && arguments[0] == "-c" ? nil : "a command is started as sh -c COMMAND"
    }
}

extension Configuration {
    /// A guest may come or go through a program that the user names. Whoever denies netemu to start programs does not want
    /// that.
    fileprivate var mayRunCommands: Bool {
        guard process.sandbox?.allowsSpawn != false else { return false }
        if case .command = incoming?.uri { return true }
        return !monitors.isEmpty
    }

    /// The monitor may name other programs than the command line did.
    fileprivate var mayRunOthers: Bool { process.sandbox?.allowsSpawn != false && !monitors.isEmpty }
}
