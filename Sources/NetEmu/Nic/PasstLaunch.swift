// What is settled about every passt before the minder is forked: which programs may be passts. The minder
// starts nothing else, also when the monitor asks for one later.

import Linux
import PasstLauncher

/// Everything one passt is started with.
struct PasstLaunch {
    let options: PasstOptions
    let program: PasstProgram
    let files: PasstFiles
    let directory: RuntimeDirectory
    let tools: PasstTools
}

/// The minder, and the passts that it will start.
final class PasstPrograms {
    /// nil when there is nothing to start, now or later.
    let minder: Minder?
    private var started = 0

    /// Finds the programs and forks the minder. Call while there is one thread.
    init(_ configuration: Configuration) throws(EmulationError) {
        var found: [PasstProgram] = []
        for case .netdev(_, let plan) in configuration.network {
            guard case .passt(let options) = plan.kind else { continue }
            do throws(PasstError) {
                try options.validate()
                found.append(try PasstProgram(options.path))
            } catch {
                throw EmulationError(location: plan.location, sentence: "\(error)")
            }
        }
        // A monitor may ask for the usual one later.
        if !configuration.monitors.isEmpty, let usual = try? PasstProgram(nil) { found.append(usual) }
        do throws(SpawnError) {
            minder = found.isEmpty ? nil : try Minder.start(found.map(\.minded))
        } catch { throw EmulationError(text: "cannot prepare to start passt: \(error)") }
    }

    /// What the next passt is started with.
    func launch(_ options: PasstOptions, location: String?, on reactor: Reactor) throws(EmulationError) -> PasstLaunch {
        guard let minder else {
            throw EmulationError(location: location, text: "no passt was found when netemu started")
        }
        do throws(PasstError) {
            try options.validate()
            let program = try PasstProgram(options.path)
            defer { started += 1 }
            return PasstLaunch(
                options: options, program: program, files: PasstFiles(number: started), directory: minder.directory,
                tools: PasstTools(spawner: minder, reactor: reactor))
        } catch { throw EmulationError(location: location, sentence: "\(error)") }
    }
}
