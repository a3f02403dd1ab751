@_exported public import SwiftletCoroutines
@_exported public import SwiftletLoop
@_exported public import SwiftletNet
