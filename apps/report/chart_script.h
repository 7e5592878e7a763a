// The one script of a report: the values of a chart's curves under pointer or finger. It reads what svg_chart wrote.
#pragma once

namespace lowland::apps {

constexpr const char* kChartScript = R"js((()=>{
const tip=document.createElement('div');tip.className='tip';tip.hidden=true;document.body.append(tip);
const nearest=(points,x)=>{let best=0;for(let i=1;i<points.length;++i)
 if(Math.abs(points[i].x-x)<Math.abs(points[best].x-x))best=i;return best};
const line=(text,colour)=>{const d=document.createElement('div');
 if(colour){const s=document.createElement('span');s.className='dot';s.style.background=colour;d.append(s)}
 d.append(text);tip.append(d)};
for(const svg of document.querySelectorAll('svg.chart')){
 const rule=svg.querySelector('.rule'),curves=[...svg.querySelectorAll('polyline')];
 const hide=()=>{tip.hidden=true;rule.style.display='none'};
 const show=e=>{
  const box=svg.getBoundingClientRect(),x=(e.clientX-box.left)*svg.viewBox.baseVal.width/box.width;
  let at=null;
  for(const c of curves){const p=c.points[nearest(c.points,x)];if(at===null||Math.abs(p.x-x)<Math.abs(at-x))at=p.x}
  tip.replaceChildren();let head='';
  for(const c of curves){const i=nearest(c.points,at);if(Math.abs(c.points[i].x-at)>1)continue;
   if(!head)line(head=svg.dataset.x+' '+c.dataset.x.split(' ')[i]);
   line(c.dataset.name+' '+c.dataset.y.split(' ')[i],c.getAttribute('stroke'))}
  rule.setAttribute('x1',at);rule.setAttribute('x2',at);rule.style.display='inline';tip.hidden=false;
  const left=box.left+at*box.width/svg.viewBox.baseVal.width;
  tip.style.left=Math.max(4,Math.min(left+12,innerWidth-tip.offsetWidth-8))+scrollX+'px';
  tip.style.top=box.top+box.height*.12+scrollY+'px'};
 svg.addEventListener('pointermove',show);svg.addEventListener('pointerdown',show);
 svg.addEventListener('pointerleave',e=>{if(e.pointerType==='mouse')hide()});
 document.addEventListener('pointerdown',e=>{if(!svg.contains(e.target))hide()})}
})())js";

}  // namespace lowland::apps
