using System.Management.Automation;
using System.Reflection;

namespace PsVm.Module.Output;

/// <summary>What an operator wants to hear before something is changed.</summary>
internal enum Confirmation
{
    /// <summary>Nothing: no text about it need be made.</summary>
    None,

    /// <summary>What is about to happen, to answer it or to read it in the verbose stream.</summary>
    Told,

    /// <summary>What would happen; nothing is to be changed.</summary>
    WhatIf,
}

/// <summary>Asks before something is changed.</summary>
internal static class Confirmations
{
    /// <summary>Asks whether to go on with something that changes the system.</summary>
    /// <param name="output">The output.</param>
    /// <param name="action">What is about to happen, as a sentence; made only when somebody will read it.</param>
    /// <param name="check">
    /// Finds out, under -WhatIf, what is wrong with it as far as that can be known without doing it, and throws.
    /// </param>
    /// <returns>False under <c>-WhatIf</c> or when the operator says no.</returns>
    public static bool ShouldProcess(this ICmdletOutput output, Func<string> action, Action? check = null)
    {
        if (output.Confirmation == Confirmation.WhatIf)
        {
            check?.Invoke();
        }

        return output.Confirmation == Confirmation.None || output.ShouldProcess(action());
    }

    /// <summary>
    /// What a cmdlet's parameters and the session's preferences ask for; when in doubt, everything. Source: about_Preference_Variables.
    /// </summary>
    public static Confirmation Of(PSCmdlet cmdlet)
    {
        CmdletAttribute? declared = cmdlet.GetType().GetCustomAttribute<CmdletAttribute>();
        if (declared is { SupportsShouldProcess: false })
        {
            return Confirmation.None;
        }

        if (Switch(cmdlet, "WhatIf")
            ?? cmdlet.GetVariableValue("WhatIfPreference", false) is not (false or SwitchParameter { IsPresent: false }))
        {
            return Confirmation.WhatIf;
        }

        bool isVerbose = Switch(cmdlet, "Verbose")
            ?? cmdlet.GetVariableValue("VerbosePreference") is not (ActionPreference.SilentlyContinue or ActionPreference.Ignore);
        ConfirmImpact impact = declared?.ConfirmImpact ?? ConfirmImpact.High;
        bool asks = Switch(cmdlet, "Confirm")
            ?? !(cmdlet.GetVariableValue("ConfirmPreference") is ConfirmImpact least && (least == ConfirmImpact.None || impact < least));
        return isVerbose || asks ? Confirmation.Told : Confirmation.None;
    }

    private static bool? Switch(PSCmdlet cmdlet, string name) =>
        cmdlet.MyInvocation.BoundParameters.TryGetValue(name, out object? value) ? LanguagePrimitives.IsTrue(value) : null;
}
