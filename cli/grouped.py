"""Options under headings, and a help page that shows the rare ones only where it is asked for all."""

import click

RARE = "How the checkpoint is read"


class Grouped(click.Option):
    """An option that stands under a heading of the help."""

    def __init__(self, *names, group="Options", **further):
        super().__init__(*names, **further)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help has a heading per group of options; those of RARE are shown by --help-all."""

    def __init__(self, *arguments, **further):
        super().__init__(*arguments, **further)
        self.params.append(Grouped(["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_show_all,
                                   help="Show every option and exit."))

    def format_options(self, context, formatter):
        """Write the options, a section per group."""
        groups = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        hidden = 0 if context.meta.get("fmdiag.all") else len(groups.pop(RARE, []))
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)
        if hidden:
            formatter.write_paragraph()
            formatter.write_text(f"{hidden} more options say how a checkpoint is read: see --help-all, or write a "
                                 "model card with `fmdiag checkpoint CKPT --write-card card.toml`.")


def option(group, *names, **further):
    """Return a decorator that adds an option under a heading."""
    return click.option(*names, cls=Grouped, group=group, **further)


def _show_all(context, parameter, value):
    if value and not context.resilient_parsing:
        context.meta["fmdiag.all"] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()
