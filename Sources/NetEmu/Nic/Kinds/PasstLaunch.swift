// What one passt is started with.

import Linux
import PasstLauncher

/// Everything one passt is started with.
struct PasstLaunch {
    let options: PasstOptions
    let program: PasstProgram
    let files: PasstFiles
    let directory: RuntimeDirectory
    let tools: PasstTools
    /// Lets connections move; nil when there is none.
    var repair: RepairProgram?
    /// Why there is none.
    var repairProblem: String?
    /// For what passt and netemu say of it.
    let voice: Voice
}
